/** Name of the settings section, of the log and of the diagnostics' source. */
export const NAME = 'mergebert';

/** What starts the server where no setting names it. */
export const SERVER_PROGRAM = 'mergebert-lsp';

/** The package an interpreter runs as the server. */
export const SERVER_MODULE = 'mergebert_lsp';

/** Commands of the server; each takes one JSON object. */
export const SERVER_COMMANDS = {
    acceptSure: 'mergebert.acceptSure',
    check: 'mergebert.check',
    next: 'mergebert.next',
    previous: 'mergebert.previous',
} as const;

/** Where texts come from that may hold conflicts: files, new texts and remote files; not logs, diffs or outputs. */
export const SCHEMES: readonly string[] = ['file', 'untitled', 'vscode-vfs'];

/** The kind of the server's quick fixes. */
export const QUICK_FIX = 'quickfix.mergebert';

/** True while the server knows of a conflict; key bindings depend on it. */
export const HAS_CONFLICTS = 'mergebert.hasConflicts';
