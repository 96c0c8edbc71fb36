import * as fs from 'fs';
import * as os from 'os';
import { LogOutputChannel, workspace } from 'vscode';
import { LanguageClient, LanguageClientOptions, Middleware, RevealOutputChannelOn } from 'vscode-languageclient/node';
import { NAME, SCHEMES } from './constants';
import { environmentOf, launchOf, Surroundings } from './launch';
import { launchSettings, serverSettings } from './settings';

/** A client whose server is not started yet; throws LaunchError where the settings name none. */
export function createClient(log: LogOutputChannel): LanguageClient {
    const launch = launchOf(launchSettings(), surroundings());
    const environment = environmentOf(process.env, workspace.isTrusted);
    log.info(`Starting ${[launch.command, ...launch.args].join(' ')}${workspace.isTrusted ? '' : ' without git'}`);
    return new LanguageClient(
        NAME,
        NAME,
        // Started at home: whatever lies in the opened folder is never searched for programs or modules.
        { command: launch.command, args: [...launch.args], options: { cwd: os.homedir(), env: environment } },
        clientOptions(log),
    );
}

function surroundings(): Surroundings {
    return {
        searchPath: process.env['PATH'] ?? '',
        openedFolders: (workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath),
        isFile: (file) => fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false,
    };
}

function clientOptions(log: LogOutputChannel): LanguageClientOptions {
    return {
        // Conflicts occur in every language; the text of a hidden document is sent only once it is shown.
        documentSelector: SCHEMES.map((scheme) => ({ scheme })),
        textSynchronization: { delayOpenNotifications: true },
        initializationOptions: serverSettings(),
        middleware,
        outputChannel: log,
        revealOutputChannelOn: RevealOutputChannelOn.Never,
    };
}

const middleware: Middleware = {
    workspace: {
        // The server sees its own settings only, not how it was started.
        configuration: async (params, token, next) => {
            const answers = await next(params, token);
            if (!Array.isArray(answers)) {
                return answers;
            }
            return params.items.map((item, index) => (item.section === NAME ? serverSettings() : answers[index]));
        },
    },
};
