// Bundles the extension into dist/, or with --tests the tests into out/. No other step is needed before `vsce package`.
import { build } from 'esbuild';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = import.meta.dirname;
const shared = { absWorkingDir: root, bundle: true, format: 'cjs', metafile: true, platform: 'node', target: 'node18' };

/** The folder and package.json of every package whose code stands in the bundle. */
function packagesIn(metafile) {
    const folders = new Set();
    for (const input of Object.keys(metafile.inputs).filter((name) => name.includes('node_modules/'))) {
        let folder = dirname(input);
        while (!existsSync(join(root, folder, 'package.json')) || !packageOf(folder).name) {
            folder = dirname(folder);
        }
        folders.add(folder);
    }
    return [...folders].sort();
}

const packageOf = (folder) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf-8'));

function licenceOf(folder) {
    const file = readdirSync(join(root, folder)).find((name) => /^licen[cs]e/i.test(name));
    if (file === undefined) {
        throw new Error(`${folder} has no licence file: say in build.mjs what to put into the package for it.`);
    }
    const { name, version } = packageOf(folder);
    return `${name} ${version}\n\n${readFileSync(join(root, folder, file), 'utf-8').trim()}\n`;
}

async function buildExtension() {
    const result = await build({
        ...shared,
        entryPoints: ['src/extension.ts'],
        external: ['vscode'],
        minify: true,
        outfile: 'dist/extension.js',
    });
    const licences = packagesIn(result.metafile).map(licenceOf);
    writeFileSync(join(root, 'dist', 'THIRD-PARTY-LICENSES.txt'), licences.join(`\n${'-'.repeat(80)}\n\n`));
    copyFileSync(join(root, '..', '..', 'LICENSE'), join(root, 'LICENSE'));
}

async function buildTests() {
    rmSync(join(root, 'out'), { force: true, recursive: true });
    mkdirSync(join(root, 'out'));
    const tests = readdirSync(join(root, 'test')).filter((name) => name.endsWith('.test.ts'));
    await build({ ...shared, entryPoints: tests.map((name) => `test/${name}`), external: ['vscode'], outdir: 'out' });
}

await buildExtension();
if (process.argv.includes('--tests')) {
    await buildTests();
}
