import { ExtensionContext, TextDocument, window, workspace } from 'vscode';
import { registerCommands } from './common/commands';
import { NAME, SCHEMES } from './common/constants';
import { hasMarkers } from './common/markers';
import { Session } from './common/session';
import { LAUNCH_KEYS } from './common/settings';
import { StatusBar } from './common/status';

let session: Session | undefined;

/** Starts nothing yet: the server comes with the first text that holds conflict markers. */
export function activate(context: ExtensionContext): void {
    const log = window.createOutputChannel(NAME, { log: true });
    const statusBar = new StatusBar();
    const current = new Session(log, statusBar);
    session = current;
    context.subscriptions.push(
        log,
        statusBar,
        ...registerCommands(current, log),
        workspace.onDidOpenTextDocument((document) => startFor(current, document)),
        workspace.onDidChangeTextDocument((change) => {
            if (change.contentChanges.some((part) => hasMarkers(part.text))) {
                startFor(current, change.document);
            }
        }),
        workspace.onDidGrantWorkspaceTrust(() => restartIfTried(current)),
        workspace.onDidChangeConfiguration((change) => {
            if (LAUNCH_KEYS.some((key) => change.affectsConfiguration(key))) {
                restartIfTried(current);
            } else if (change.affectsConfiguration(NAME)) {
                void current.sendSettings();
            }
        }),
    );
    workspace.textDocuments.forEach((document) => startFor(current, document));
}

/** Stops the server. */
export async function deactivate(): Promise<void> {
    await session?.dispose();
}

function startFor(current: Session, document: TextDocument): void {
    if (!current.wasTried && SCHEMES.includes(document.uri.scheme) && hasMarkers(document.getText())) {
        void current.running();
    }
}

function restartIfTried(current: Session): void {
    if (current.wasTried) {
        void current.restart();
    }
}
