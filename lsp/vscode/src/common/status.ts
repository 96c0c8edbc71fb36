import { commands, Disposable, StatusBarAlignment, StatusBarItem, window } from 'vscode';
import { HAS_CONFLICTS, NAME } from './constants';
import { Status, statusText, statusTooltip } from './wording';

/** The item in the status bar, and the context that key bindings ask for. */
export class StatusBar implements Disposable {
    private readonly item: StatusBarItem;

    public constructor() {
        this.item = window.createStatusBarItem(NAME, StatusBarAlignment.Left);
        this.item.name = NAME;
        this.item.command = 'mergebert.nextConflict';
    }

    /** Shows what the server last said of its conflicts; hidden where there is nothing to say. */
    public show(status: Status): void {
        void commands.executeCommand('setContext', HAS_CONFLICTS, status.conflicts > 0);
        const text = statusText(status);
        if (text === '') {
            this.item.hide();
            return;
        }
        this.item.text = text;
        this.item.tooltip = statusTooltip(status);
        this.item.show();
    }

    public dispose(): void {
        this.item.dispose();
    }
}
