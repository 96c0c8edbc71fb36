/** Seven or more of the character that begins a conflict in every style of git and jj, at the start of a line. */
const START = /^<{7}/m;

/** Whether a text may hold a conflict; the server looks closely, this only decides whether to start it. */
export function hasMarkers(text: string): boolean {
    return START.test(text);
}
