import * as assert from 'node:assert/strict';
import * as os from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { environmentOf, LaunchError, launchOf, LaunchSettings, Surroundings } from '../src/common/launch';

const NOTHING: LaunchSettings = { path: [], interpreter: [], args: [] };
const FOLDER = path.resolve('/projects/shop');

function around(...searchPath: string[]): Surroundings {
    return { searchPath: searchPath.join(path.delimiter), openedFolders: [FOLDER], isFile: () => true };
}

function commandOf(...searchPath: string[]): string {
    return launchOf(NOTHING, around(...searchPath)).command;
}

test('the server comes from the search path where no setting names it', () => {
    assert.equal(path.parse(commandOf('/opt/tools/bin')).name, 'mergebert-lsp');
    assert.equal(path.dirname(commandOf('/opt/tools/bin')), path.join('/opt/tools/bin'));
});

test('programs of the opened folder and of relative folders are never started', () => {
    const searchPath = ['.', '', 'bin', FOLDER, path.join(FOLDER, '.venv', 'bin'), '/opt/tools/bin'];
    assert.equal(path.dirname(commandOf(...searchPath)), path.join('/opt/tools/bin'));
    assert.throws(() => commandOf(...searchPath.slice(0, -1)), LaunchError);
});

test('a folder beside the opened one is another folder', () => {
    assert.equal(path.dirname(commandOf(`${FOLDER}-tools`)), `${FOLDER}-tools`);
});

test('a missing server is said with what to do', () => {
    const nowhere = { ...around('/opt/tools/bin'), isFile: () => false };
    assert.throws(() => launchOf(NOTHING, nowhere), /install it with pip install 'mergebert\[lsp\]'/);
});

test('a setting goes before the search path, the path before the interpreter', () => {
    const python = path.resolve('/opt/python');
    const server = path.resolve('/opt/mergebert-lsp');
    const settings = { path: [server, '--one'], interpreter: [python], args: ['--log', 'file'] };
    assert.deepEqual(launchOf(settings, around()), { command: server, args: ['--one', '--log', 'file'] });
    assert.deepEqual(launchOf({ ...settings, path: [] }, around()), {
        command: python,
        args: ['-P', '-m', 'mergebert_lsp', '--log', 'file'],
    });
});

test('a setting names a program in full, so that no folder decides what it means', () => {
    assert.throws(() => launchOf({ ...NOTHING, path: ['./mergebert-lsp'] }, around()), /absolute path/);
    assert.throws(() => launchOf({ ...NOTHING, interpreter: ['python3'] }, around()), /absolute path/);
});

test('git finds no repository where the folder is not trusted', () => {
    assert.deepEqual(environmentOf({ HOME: '/home/a' }, true), { HOME: '/home/a' });
    assert.equal(environmentOf({ GIT_DIR: '.git' }, false)['GIT_DIR'], os.devNull);
});
