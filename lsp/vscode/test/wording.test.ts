import * as assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasMarkers } from '../src/common/markers';
import { NOTHING, statusText, statusTooltip } from '../src/common/wording';

test('the status bar counts conflicts and says when the model is at work', () => {
    assert.equal(statusText({ conflicts: 3, sure: 1, busy: false }), '$(git-merge) 3 conflicts, 1 sure');
    assert.equal(statusText({ conflicts: 1, sure: 0, busy: true }), '$(sync~spin) 1 conflict, 0 sure');
    assert.equal(statusText({ conflicts: 0, sure: 0, busy: true }), '$(sync~spin) mergebert');
    assert.equal(statusText(NOTHING), '');
});

test('the tooltip is a sentence, and offers the next conflict only while there is one', () => {
    assert.match(statusTooltip({ conflicts: 2, sure: 1, busy: false }), /1 of 2 conflicts .* next one\.$/);
    assert.doesNotMatch(statusTooltip(NOTHING), /next/);
});

test('only a marker at the start of a line is reason to start the server', () => {
    assert.ok(hasMarkers('a\n<<<<<<< main\nb\n'));
    assert.ok(hasMarkers('<<<<<<<<<<< conflict 1 of 1\r\n'));
    assert.ok(!hasMarkers('a <<<<<<< b\n<<<<<< six\n'));
});
