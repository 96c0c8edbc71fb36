/**
 * A stand-in for VS Code, as far as the extension and the client library touch it: it loads the built extension,
 * holds one text, and keeps what the extension registers and shows. Whatever is not listed here is an empty class,
 * an event that never fires or a registration that does nothing.
 */
import { readFileSync } from 'node:fs';
import Module from 'node:module';
import * as path from 'node:path';
import { pathToFileURL } from 'node:url';

type Listener = (event: unknown) => unknown;
type Loose = Record<string, any>;

class Disposable {
    public constructor(private readonly end: () => void = () => undefined) {}
    public static from(...all: Disposable[]): Disposable {
        return new Disposable(() => all.forEach((one) => one.dispose()));
    }
    public dispose(): void {
        this.end();
    }
}

class EventEmitter {
    private readonly listeners = new Set<Listener>();
    public readonly event = (listener: Listener, self?: unknown): Disposable => {
        const bound = self === undefined ? listener : listener.bind(self);
        this.listeners.add(bound);
        return new Disposable(() => this.listeners.delete(bound));
    };
    public fire(event?: unknown): void {
        this.listeners.forEach((listener) => listener(event));
    }
    public dispose(): void {
        this.listeners.clear();
    }
}

class Uri {
    private constructor(public readonly scheme: string, public readonly path: string) {}
    public static file(name: string): Uri {
        return Uri.parse(pathToFileURL(name).href);
    }
    public static parse(text: string): Uri {
        const [scheme, rest] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
        return new Uri(scheme, decodeURIComponent(rest.replace(/^\/\//, '')));
    }
    public readonly authority = '';
    public readonly query = '';
    public readonly fragment = '';
    public get fsPath(): string {
        return this.path;
    }
    public toString(): string {
        return `${this.scheme}://${this.path.split('/').map(encodeURIComponent).join('/')}`;
    }
}

class Position {
    public constructor(public readonly line: number, public readonly character: number) {}
    public isAfterOrEqual(other: Position): boolean {
        return this.line > other.line || (this.line === other.line && this.character >= other.character);
    }
}

class Range {
    public readonly start: Position;
    public readonly end: Position;
    public constructor(a: any, b: any, c?: number, d?: number) {
        this.start = typeof a === 'number' ? new Position(a, b) : a;
        this.end = typeof a === 'number' ? new Position(c!, d!) : b;
    }
}

class Diagnostic {
    public constructor(public range: Range, public message: string, public severity = 0) {}
}

class Location {
    public constructor(public readonly uri: Uri, public readonly range: Range) {}
}

class DiagnosticRelatedInformation {
    public constructor(public readonly location: Location, public readonly message: string) {}
}

class CodeAction {
    public constructor(public title: string, public kind?: unknown) {}
}

class CodeActionKind {
    public static readonly Empty = new CodeActionKind('');
    public constructor(public readonly value: string) {}
    public append(part: string): CodeActionKind {
        return new CodeActionKind(this.value === '' ? part : `${this.value}.${part}`);
    }
}

class WorkspaceEdit {
    public readonly changes: { uri: Uri; range: Range; newText: string }[] = [];
    public set(uri: Uri, edits: any[]): void {
        edits.map((one) => (Array.isArray(one) ? one[0] : one)).forEach((one) => this.replace(uri, one.range, one.newText));
    }
    public replace(uri: Uri, range: Range, newText: string): void {
        this.changes.push({ uri, range, newText });
    }
}

class TextEdit {
    public constructor(public readonly range: Range, public readonly newText: string) {}
}

class TabInputText {
    public constructor(public readonly uri: Uri) {}
}

class CancellationTokenSource {
    private readonly emitter = new EventEmitter();
    public readonly token = { isCancellationRequested: false, onCancellationRequested: this.emitter.event };
    public cancel(): void {
        this.token.isCancellationRequested = true;
        this.emitter.fire();
    }
    public dispose(): void {
        this.emitter.dispose();
    }
}

class TextDocument {
    public version = 1;
    public readonly languageId = 'python';
    public readonly isClosed = false;
    public readonly isUntitled = false;
    public readonly notebook = undefined;
    public constructor(public readonly uri: Uri, private text: string) {}
    public get fileName(): string {
        return this.uri.fsPath;
    }
    public getText(): string {
        return this.text;
    }
    public whole(): Range {
        const lines = this.text.split('\n');
        return new Range(0, 0, lines.length - 1, lines[lines.length - 1]!.length);
    }
    public offsetAt(place: Position): number {
        const before = this.text.split('\n').slice(0, place.line);
        return before.reduce((sum, line) => sum + line.length + 1, 0) + place.character;
    }
    public become(text: string): void {
        this.text = text;
        this.version += 1;
    }
}

/** An object that answers for every name: with what it has, or with something that does no harm. */
function lenient(known: Loose): any {
    return new Proxy(known, {
        get(target: Loose, name: string) {
            if (name in target || typeof name === 'symbol') {
                return target[name];
            }
            if (/^on(Did|Will)/.test(name)) {
                return (target[name] = new EventEmitter().event);
            }
            if (/^(register|create)[A-Z]/.test(name)) {
                return (target[name] = () => lenient(new Disposable() as Loose));
            }
            return (target[name] = class {});
        },
    });
}

/** One window of that editor, with a file open in it. */
export class Editor {
    public readonly document: TextDocument;
    public readonly commands = new Map<string, (...args: any[]) => any>();
    public readonly providers: Record<string, any> = {};
    public readonly diagnostics = new Map<string, Map<string, any[]>>();
    public readonly errors: string[] = [];
    public readonly log: string[] = [];
    public readonly contexts = new Map<string, unknown>();
    public readonly statusItem: Loose = { shown: false };
    private readonly changed = new EventEmitter();
    private readonly trusted = new EventEmitter();
    private readonly context: Loose = { subscriptions: [] };
    private readonly api: any;
    private extension: any;

    public constructor(folder: string, file: string, settings: Loose, isTrusted: boolean) {
        this.document = new TextDocument(Uri.file(file), readFileSync(file, 'utf-8'));
        this.api = this.vscode(Uri.file(folder), settings, isTrusted);
    }

    /** Loads dist/extension.js with this editor in the place of VS Code, and activates it. */
    public async activate(): Promise<void> {
        const load = (Module as any)._load;
        (Module as any)._load = (name: string, ...rest: unknown[]) => (name === 'vscode' ? this.api : load(name, ...rest));
        try {
            const built = path.join(__dirname, '..', 'dist', 'extension.js');
            delete require.cache[built];
            this.extension = require(built);
        } finally {
            (Module as any)._load = load;
        }
        await this.extension.activate(this.context);
    }

    public async deactivate(): Promise<void> {
        await this.extension.deactivate();
        this.context['subscriptions'].forEach((one: Disposable) => one.dispose());
    }

    /** The diagnostics of the open text, of every collection, in order. */
    public shown(): any[] {
        const all = [...this.diagnostics.values()].flatMap((one) => one.get(this.document.uri.toString()) ?? []);
        return all.sort((a, b) => a.range.start.line - b.range.start.line);
    }

    /** The code actions at a line, as the menu of the light bulb would hold them. */
    public async actionsAt(line: number): Promise<any[]> {
        const range = new Range(line, 0, line, 0);
        const context = { diagnostics: this.shown().filter((one) => one.range.start.line === line), triggerKind: 1 };
        return this.providers['CodeActions'].provideCodeActions(this.document, range, context, this.token());
    }

    /** Takes a code action: its edit, worked out now if it was not yet. */
    public async take(action: any): Promise<void> {
        const whole = action.edit ? action : await this.providers['CodeActions'].resolveCodeAction(action, this.token());
        this.apply(whole.edit);
    }

    public grantTrust(): void {
        this.api.workspace.isTrusted = true;
        this.trusted.fire();
    }

    private token(): any {
        return new CancellationTokenSource().token;
    }

    private apply(edit: WorkspaceEdit): boolean {
        let text = this.document.getText();
        const range = this.document.whole();
        const offset = (place: Position) => this.document.offsetAt(place);
        for (const change of [...edit.changes].sort((a, b) => offset(b.range.start) - offset(a.range.start))) {
            text = text.slice(0, offset(change.range.start)) + change.newText + text.slice(offset(change.range.end));
        }
        this.document.become(text);
        this.changed.fire({ document: this.document, contentChanges: [{ range, rangeOffset: 0, text }] });
        return true;
    }

    private vscode(folder: Uri, settings: Loose, isTrusted: boolean): any {
        const editor = { document: this.document, selection: { active: new Position(0, 0) } };
        const log = (level: string) => (line: string) => this.log.push(`${level}: ${line}`);
        const output = { info: log('info'), warn: log('warn'), error: log('error'), debug: log('debug'), trace: log('trace') };
        const configuration = (section?: string) => ({
            get: (key: string, otherwise: unknown) => settings[`${section}.${key}`] ?? otherwise,
        });
        return lenient({
            version: '1.91.0',
            Disposable, EventEmitter, Uri, Position, Range, Location, Diagnostic, DiagnosticRelatedInformation, CodeAction,
            CodeActionKind, WorkspaceEdit, TextEdit, TabInputText, CancellationTokenSource,
            CancellationError: class extends Error {},
            StatusBarAlignment: { Left: 1 },
            LogLevel: { Off: 0, Trace: 1, Debug: 2, Info: 3, Warning: 4, Error: 5 },
            DiagnosticSeverity: { Error: 0, Warning: 1, Information: 2, Hint: 3 },
            CodeActionTriggerKind: { Invoke: 1, Automatic: 2 },
            ProgressLocation: { Window: 10 },
            env: lenient({ language: 'en', appName: 'stand-in', logLevel: 3 }),
            commands: lenient({
                registerCommand: (name: string, action: (...args: any[]) => any) => {
                    this.commands.set(name, action);
                    return new Disposable(() => this.commands.delete(name));
                },
                executeCommand: async (name: string, key: string, value: unknown) => {
                    if (name === 'setContext') {
                        this.contexts.set(key, value);
                    }
                },
            }),
            window: lenient({
                activeTextEditor: editor,
                visibleTextEditors: [editor],
                tabGroups: lenient({ all: [{ tabs: [{ input: new TabInputText(this.document.uri) }] }] }),
                createOutputChannel: () => lenient({ ...output, append: log('out'), appendLine: log('out'), dispose() {} }),
                createStatusBarItem: () =>
                    Object.assign(this.statusItem, {
                        show: () => (this.statusItem['shown'] = true),
                        hide: () => (this.statusItem['shown'] = false),
                        dispose() {},
                    }),
                showErrorMessage: async (message: string) => void this.errors.push(message),
                showWarningMessage: async (message: string) => void this.errors.push(message),
                showInformationMessage: async () => undefined,
                withProgress: async (_: unknown, task: any) => task({ report() {} }, this.token()),
            }),
            workspace: lenient({
                isTrusted,
                name: 'stand-in',
                workspaceFolders: [{ uri: folder, name: 'folder', index: 0 }],
                textDocuments: [this.document],
                notebookDocuments: [],
                onDidChangeTextDocument: this.changed.event,
                onDidGrantWorkspaceTrust: this.trusted.event,
                getConfiguration: configuration,
                applyEdit: async (edit: WorkspaceEdit) => this.apply(edit),
            }),
            languages: lenient({
                match: (selector: { scheme: string }[], document: TextDocument) =>
                    [selector].flat().some((one) => one.scheme === document.uri.scheme) ? 10 : 0,
                registerCodeActionsProvider: (_: unknown, provider: unknown) => this.register('CodeActions', provider),
                registerCodeLensProvider: (_: unknown, provider: unknown) => this.register('CodeLens', provider),
                registerHoverProvider: (_: unknown, provider: unknown) => this.register('Hover', provider),
                createDiagnosticCollection: (name: string) => this.collection(`${name} ${this.diagnostics.size}`),
            }),
        });
    }

    private register(kind: string, provider: unknown): Disposable {
        this.providers[kind] = provider;
        return new Disposable();
    }

    private collection(name: string): any {
        const held = new Map<string, any[]>();
        this.diagnostics.set(name, held);
        return {
            name,
            set: (uri: Uri, all: any[] | undefined) => held.set(uri.toString(), all ?? []),
            delete: (uri: Uri) => held.delete(uri.toString()),
            get: (uri: Uri) => held.get(uri.toString()),
            has: (uri: Uri) => held.has(uri.toString()),
            forEach: (each: any) => held.forEach((all, uri) => each(Uri.parse(uri), all)),
            clear: () => held.clear(),
            dispose: () => held.clear(),
        };
    }
}
