import { commands, Disposable, LogOutputChannel, TextEditor, window } from 'vscode';
import { ExecuteCommandRequest, LanguageClient } from 'vscode-languageclient/node';
import { NAME, QUICK_FIX, SERVER_COMMANDS } from './constants';
import { Session } from './session';

/** The commands of the palette; they hand the place of the cursor to commands of the server. */
export function registerCommands(session: Session, log: LogOutputChannel): Disposable[] {
    const here = (name: string, command: string) => register(name, () => withEditor(session, command));
    const everywhere = (name: string, command: string) => register(name, () => ask(session, command, () => ({})));
    return [
        here('nextConflict', SERVER_COMMANDS.next),
        here('previousConflict', SERVER_COMMANDS.previous),
        here('acceptSureInFile', SERVER_COMMANDS.acceptSure),
        everywhere('acceptSureInMerge', SERVER_COMMANDS.acceptSure),
        everywhere('checkMerge', SERVER_COMMANDS.check),
        register('resolve', () => commands.executeCommand('editor.action.codeAction', { kind: QUICK_FIX, apply: 'never' })),
        register('restart', () => session.restart()),
        register('showLog', () => log.show()),
    ];
}

function register(name: string, action: () => unknown): Disposable {
    return commands.registerCommand(`${NAME}.${name}`, action);
}

async function withEditor(session: Session, command: string): Promise<void> {
    const editor = window.activeTextEditor;
    if (editor === undefined) {
        await commands.executeCommand('workbench.actions.view.problems');
        return;
    }
    await ask(session, command, (client) => placeOf(editor, client));
}

async function ask(session: Session, command: string, argument: (client: LanguageClient) => object): Promise<void> {
    const client = await session.running();
    await client?.sendRequest(ExecuteCommandRequest.type, { command, arguments: [argument(client)] });
}

function placeOf(editor: TextEditor, client: LanguageClient): object {
    const uri = client.code2ProtocolConverter.asUri(editor.document.uri);
    return { uri, line: editor.selection.active.line };
}
