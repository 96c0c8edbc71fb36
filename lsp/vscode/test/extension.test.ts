/**
 * The built extension with the real client library and the real server; VS Code itself is a stand-in (editor.ts).
 * MERGEBERT_LSP names the server, else `mergebert-lsp` of the search path; without either the tests are skipped.
 */
import * as assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Editor } from './editor';

const folders = (process.env['PATH'] ?? '').split(path.delimiter);
const server = process.env['MERGEBERT_LSP'] ?? folders.map((one) => path.join(one, 'mergebert-lsp')).find(existsSync);
const options = { skip: server === undefined && 'no mergebert-lsp is installed: pip install .[lsp]', timeout: 120_000 };
const made: string[] = [];
const opened: Editor[] = [];
afterEach(async () => {
    await Promise.all(opened.splice(0).map((editor) => editor.deactivate())); // a server left running keeps node alive
    made.splice(0).forEach((folder) => rmSync(folder, { force: true, recursive: true }));
});

const [BASE, OURS, THEIRS] = ['items', 'items, start=0', 'values'].map((one) => `def total():\n    return sum(${one})\n`);

/** A folder in which a real `git merge` stopped at a conflict in app.py. */
function stoppedMerge(): string {
    const folder = mkdtempSync(path.join(tmpdir(), 'mergebert-'));
    made.push(folder);
    const git = (...args: string[]) =>
        execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.org', ...args], { cwd: folder, stdio: 'pipe' });
    const commit = (text: string) => {
        writeFileSync(path.join(folder, 'app.py'), text);
        git('add', 'app.py');
        git('commit', '--quiet', '--message', 'change');
    };
    git('init', '--quiet', '--initial-branch', 'main');
    commit(BASE!);
    git('checkout', '--quiet', '-b', 'feature');
    commit(THEIRS!);
    git('checkout', '--quiet', 'main');
    commit(OURS!);
    assert.throws(() => git('merge', 'feature'));
    return folder;
}

async function editorIn(folder: string, isTrusted = true, command = server!): Promise<Editor> {
    const editor = new Editor(folder, path.join(folder, 'app.py'), { 'mergebert.path': [command] }, isTrusted);
    await editor.activate();
    opened.push(editor);
    return editor;
}

async function until(what: string, condition: () => boolean, editor: Editor): Promise<void> {
    for (let tries = 0; !condition(); tries += 1) {
        assert.ok(tries < 1200, `waited in vain for ${what}\n${editor.log.join('\n')}\n${editor.errors.join('\n')}`);
        await sleep(50);
    }
}

const isRanked = (editor: Editor) => editor.shown().length === 1 && !/No suggestion yet/.test(editor.shown()[0].message);

test('a conflict is reported, counted, and taken by a quick fix to the byte', options, async (t) => {
    const editor = await editorIn(stoppedMerge());
    await until('a ranked diagnostic', () => isRanked(editor), editor);
    t.diagnostic(editor.shown()[0].message);
    assert.deepEqual([editor.shown()[0].source, editor.shown()[0].code], ['mergebert', 'conflict']);
    assert.match(editor.statusItem['text'], /^\$\(git-merge\) 1 conflict, \d sure$/);
    assert.equal(editor.contexts.get('mergebert.hasConflicts'), true);

    const actions = await editor.actionsAt(1);
    actions.forEach((one) => t.diagnostic(`- ${one.title}`));
    await editor.take(actions.find((one) => one.title === 'Take feature'));
    assert.equal(editor.document.getText(), THEIRS);
    await until('the status bar to hide', () => !editor.statusItem['shown'] && editor.shown().length === 0, editor);
    assert.equal(editor.contexts.get('mergebert.hasConflicts'), false);
    assert.deepEqual(editor.errors, []);
});

test('no lens repeats one of the four that VS Code shows', options, async () => {
    const editor = await editorIn(stoppedMerge());
    await until('a ranked diagnostic', () => isRanked(editor), editor);
    const token = { isCancellationRequested: false, onCancellationRequested: () => undefined };
    const lenses: any[] = await editor.providers['CodeLens'].provideCodeLenses(editor.document, token);
    const titles: string[] = lenses.map((one) => one.command.title);
    assert.ok(titles.length > 0);
    assert.deepEqual(titles.filter((title) => /^(Take HEAD|Take feature|Take both, HEAD first|Compare)/.test(title)), []);
});

test('a folder that is not trusted is read from its markers alone, until it is', options, async () => {
    const editor = await editorIn(stoppedMerge(), false);
    await until('a ranked diagnostic', () => isRanked(editor), editor);
    // The base is known to git alone: these markers do not show it.
    assert.ok(!(await editor.actionsAt(1)).some((one) => one.title.startsWith('Take base')));
    editor.grantTrust();
    await until('the other server', () => editor.log.filter((line) => line.includes('Starting')).length === 2, editor);
    await until('no diagnostic of the old one', () => isRanked(editor), editor);
    assert.ok((await editor.actionsAt(1)).some((one) => one.title.startsWith('Take base')));
});

test('a restart ends the old server and starts another', options, async () => {
    const editor = await editorIn(stoppedMerge());
    await until('a ranked diagnostic', () => isRanked(editor), editor);
    await editor.commands.get('mergebert.restart')!();
    await until('a ranked diagnostic again', () => isRanked(editor), editor);
    assert.equal(editor.log.filter((line) => line.includes('Starting')).length, 2);
});

test('a server that is not there is said in one sentence', { timeout: 60_000 }, async () => {
    const editor = await editorIn(stoppedMerge(), true, path.join(tmpdir(), 'nothing', 'mergebert-lsp'));
    await until('the message', () => editor.errors.length > 0, editor);
    assert.match(editor.errors.join('\n'), /could not be started/);
});

test('nothing is started for a text without markers', options, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'mergebert-'));
    made.push(folder);
    writeFileSync(path.join(folder, 'app.py'), BASE!);
    const editor = await editorIn(folder);
    await sleep(500);
    assert.deepEqual(editor.log, []);
});
