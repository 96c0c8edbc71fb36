/** What the server says of the conflicts it knows, in the notification `mergebert/status`. */
export interface Status {
    readonly conflicts: number;
    readonly sure: number;
    readonly busy: boolean;
}

/** What a server that has said nothing yet, or has stopped, knows. */
export const NOTHING: Status = { conflicts: 0, sure: 0, busy: false };

/** The text of the status bar; empty where there is nothing to say. */
export function statusText(status: Status): string {
    if (status.conflicts === 0) {
        return status.busy ? '$(sync~spin) mergebert' : '';
    }
    const icon = status.busy ? '$(sync~spin)' : '$(git-merge)';
    return `${icon} ${conflicts(status.conflicts)}, ${status.sure} sure`;
}

/** The sentence behind that text. */
export function statusTooltip(status: Status): string {
    const next = status.conflicts === 0 ? '' : ' Click to go to the next one.';
    return `mergebert: ${status.sure} of ${conflicts(status.conflicts)} within your error budget.${next}`;
}

function conflicts(count: number): string {
    return count === 1 ? '1 conflict' : `${count} conflicts`;
}
