import { workspace } from 'vscode';
import { NAME } from './constants';
import { LaunchSettings } from './launch';

/** What the server is told: at the start, and again whenever a setting changes. */
export interface ServerSettings {
    readonly maxError: number | null;
    readonly bundle: string | null;
    readonly suggestions: number;
    readonly inlayHints: boolean;
    readonly codeLens: boolean;
    readonly feedback: boolean;
}

/** Settings that need another process to take effect. */
export const LAUNCH_KEYS = ['path', 'interpreter', 'args'].map((key) => `${NAME}.${key}`);

/** How to start the server, from the person's settings. */
export function launchSettings(): LaunchSettings {
    const settings = workspace.getConfiguration(NAME);
    return {
        path: settings.get<string[]>('path', []),
        interpreter: settings.get<string[]>('interpreter', []),
        args: settings.get<string[]>('args', []),
    };
}

/** What the server is told, from the settings in force. */
export function serverSettings(): ServerSettings {
    const settings = workspace.getConfiguration(NAME);
    return {
        maxError: settings.get<number | null>('maxError', null),
        bundle: settings.get<string>('bundle', '') || null,
        suggestions: settings.get<number>('suggestions', 3),
        inlayHints: settings.get<boolean>('inlayHints', true),
        codeLens: settings.get<boolean>('codeLens', true),
        feedback: settings.get<boolean>('feedback', false),
    };
}
