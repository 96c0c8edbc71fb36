import { commands, Disposable, LogOutputChannel, window } from 'vscode';
import { LanguageClient, State } from 'vscode-languageclient/node';
import { NAME } from './constants';
import { LaunchError } from './launch';
import { createClient } from './server';
import { serverSettings } from './settings';
import { StatusBar } from './status';
import { NOTHING, Status } from './wording';

/** The one server of this window: started when a conflict first needs it, stopped and started on demand. */
export class Session implements Disposable {
    private client: LanguageClient | undefined;
    private tried = false;
    // Starts and stops follow one another; two at once would leave a process behind.
    private last: Promise<LanguageClient | undefined> = Promise.resolve(undefined);

    public constructor(
        private readonly log: LogOutputChannel,
        private readonly statusBar: StatusBar,
    ) {}

    /** Whether a server was asked for, even if it could not be started: that is said once, not for every file. */
    public get wasTried(): boolean {
        return this.tried;
    }

    /** The client of the running server, started now if it was not; undefined where it cannot be. */
    public running(): Promise<LanguageClient | undefined> {
        this.tried = true;
        return this.queue(async () => this.client ?? (await this.start()));
    }

    /** Stops the server, if there is one, and starts it with the settings and the trust of now. */
    public restart(): Promise<LanguageClient | undefined> {
        this.tried = true;
        return this.queue(async () => {
            await this.stop();
            return this.start();
        });
    }

    /** Hands the server its settings anew. */
    public async sendSettings(): Promise<void> {
        await this.client?.sendNotification('workspace/didChangeConfiguration', {
            settings: { [NAME]: serverSettings() },
        });
    }

    public async dispose(): Promise<void> {
        await this.queue(async () => {
            await this.stop();
            return undefined;
        });
    }

    private queue(step: () => Promise<LanguageClient | undefined>): Promise<LanguageClient | undefined> {
        this.last = this.last.then(step, step);
        return this.last;
    }

    private async start(): Promise<LanguageClient | undefined> {
        try {
            const client = createClient(this.log);
            client.onNotification('mergebert/status', (status: Status) => this.statusBar.show(status));
            client.onDidChangeState((change) => {
                if (change.newState === State.Stopped) {
                    this.statusBar.show(NOTHING);
                }
            });
            this.client = client;
            await client.start();
            return client;
        } catch (error) {
            await this.complain(error);
            this.client = undefined;
            return undefined;
        }
    }

    private async stop(): Promise<void> {
        const client = this.client;
        this.client = undefined;
        this.statusBar.show(NOTHING);
        try {
            await client?.dispose();
        } catch (error) {
            // A server that already died cannot be stopped; the next one starts all the same.
            this.log.warn(`The server did not stop in order: ${String(error)}`);
        }
    }

    private async complain(error: unknown): Promise<void> {
        const reason = error instanceof Error ? error.message : String(error);
        this.log.error(reason);
        const sentence = error instanceof LaunchError ? reason : `The server could not be started: ${reason}`;
        void window.showErrorMessage(`mergebert: ${sentence}`, 'Open Settings', 'Show Log').then((choice) => {
            if (choice === 'Open Settings') {
                void commands.executeCommand('workbench.action.openSettings', `${NAME}.`);
            } else if (choice === 'Show Log') {
                this.log.show();
            }
        });
    }
}
