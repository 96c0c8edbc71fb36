import * as assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { test } from 'node:test';

const ROOT = path.join(__dirname, '..');
const text = (name: string): string => readFileSync(path.join(ROOT, name), 'utf-8');
const manifest = JSON.parse(text('package.json'));
const settings: Record<string, { scope: string; default: unknown }> = manifest.contributes.configuration.properties;
const sources = ['commands', 'settings', 'launch', 'status', 'constants'].map((name) => text(`src/common/${name}.ts`)).join('\n');

test('what decides which program runs is the person\'s own, never the folder\'s', () => {
    for (const name of ['mergebert.path', 'mergebert.interpreter', 'mergebert.args', 'mergebert.bundle']) {
        assert.equal(settings[name]?.scope, 'machine', name);
        assert.ok(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations.includes(name), name);
    }
    assert.equal(manifest.capabilities.untrustedWorkspaces.supported, 'limited');
});

test('nothing is logged of a person unless asked for, and no folder can ask', () => {
    assert.deepEqual([settings['mergebert.feedback']?.default, settings['mergebert.feedback']?.scope], [false, 'machine']);
});

test('every command of the manifest is registered, and every binding names a command', () => {
    const commands: string[] = manifest.contributes.commands.map((entry: { command: string }) => entry.command);
    for (const command of commands) {
        assert.ok(sources.includes(`'${command.replace('mergebert.', '')}'`), command);
    }
    for (const binding of manifest.contributes.keybindings) {
        assert.ok(commands.includes(binding.command), binding.command);
        assert.match(binding.when, /mergebert\.hasConflicts/);
    }
});

test('every setting is read, and the readme explains it', () => {
    const readme = text('README.md');
    for (const name of Object.keys(settings)) {
        assert.ok(readme.includes(`\`${name}\``), `${name} in README.md`);
        const read = sources.includes(`'${name.replace('mergebert.', '')}'`);
        assert.ok(read || name === 'mergebert.trace.server', `${name} in settings.ts`); // that one the client library reads
    }
});

test('the lock file names the public registry alone, and pins what comes from it', () => {
    const lock = JSON.parse(text('package-lock.json'));
    const packages: { resolved?: string; integrity?: string }[] = Object.values(lock.packages).slice(1) as object[];
    const unsafe = packages.filter(
        (one) => !one.resolved?.startsWith('https://registry.npmjs.org/') || !one.integrity?.startsWith('sha512-'),
    );
    assert.deepEqual(unsafe, []);
});

test('the package holds the extension and nothing of its sources', () => {
    const kept = text('.vscodeignore').split('\n').filter((line) => line.startsWith('!'));
    assert.deepEqual(kept, ['!dist/extension.js', '!dist/THIRD-PARTY-LICENSES.txt', '!LICENSE', '!README.md', '!package.json']);
});
