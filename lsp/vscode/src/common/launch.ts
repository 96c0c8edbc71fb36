import * as os from 'os';
import * as path from 'path';
import { SERVER_MODULE, SERVER_PROGRAM } from './constants';

/** What a person's own settings say about starting the server; the opened folder has no say in it. */
export interface LaunchSettings {
    readonly path: readonly string[];
    readonly interpreter: readonly string[];
    readonly args: readonly string[];
}

/** Where a program may be looked for. */
export interface Surroundings {
    readonly searchPath: string;
    readonly openedFolders: readonly string[];
    readonly isFile: (file: string) => boolean;
}

/** A process to start: an absolute program and its arguments. */
export interface Launch {
    readonly command: string;
    readonly args: readonly string[];
}

/** Says what is wrong with the settings and what to do. */
export class LaunchError extends Error {}

/**
 * The server to start: `path`, else `interpreter`, else the program on the search path.
 * Never a program of an opened folder, unless a setting of the person names it in full.
 */
export function launchOf(settings: LaunchSettings, surroundings: Surroundings): Launch {
    const [program, ...programArgs] = settings.path;
    if (program !== undefined) {
        return { command: absolute(program, 'mergebert.path'), args: [...programArgs, ...settings.args] };
    }
    const [python, ...pythonArgs] = settings.interpreter;
    if (python !== undefined) {
        // -P keeps Python from importing modules out of the folder it is started in.
        const args = [...pythonArgs, '-P', '-m', SERVER_MODULE, ...settings.args];
        return { command: absolute(python, 'mergebert.interpreter'), args };
    }
    const found = onSearchPath(SERVER_PROGRAM, surroundings);
    if (found === undefined) {
        throw new LaunchError(
            `${SERVER_PROGRAM} is not on your PATH: install it with pip install 'mergebert[lsp]', or name it in mergebert.path.`,
        );
    }
    return { command: found, args: [...settings.args] };
}

/** The environment of the server; where the folder is not trusted, git finds no repository and runs nothing of it. */
export function environmentOf(environment: NodeJS.ProcessEnv, trusted: boolean): NodeJS.ProcessEnv {
    return trusted ? { ...environment } : { ...environment, GIT_DIR: os.devNull };
}

function absolute(program: string, setting: string): string {
    if (!path.isAbsolute(program)) {
        throw new LaunchError(`${setting} starts with '${program}': give the absolute path of the program.`);
    }
    return program;
}

function onSearchPath(program: string, surroundings: Surroundings): string | undefined {
    const name = process.platform === 'win32' ? `${program}.exe` : program;
    return surroundings.searchPath
        .split(path.delimiter)
        .filter((folder) => path.isAbsolute(folder) && !isInside(folder, surroundings.openedFolders))
        .map((folder) => path.join(folder, name))
        .find(surroundings.isFile);
}

function isInside(folder: string, parents: readonly string[]): boolean {
    return parents.some((parent) => {
        const way = path.relative(parent, folder);
        return !way.startsWith('..') && !path.isAbsolute(way);
    });
}
