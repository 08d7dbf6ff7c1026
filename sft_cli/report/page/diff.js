"use strict";
// The difference of two texts by token: words, single CJK characters, spaces and marks.
const TOKEN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]|[^\P{L}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}][\p{L}\p{N}\p{M}_]*|[\p{N}_]+|\s+|./gsu;
const MOST_CELLS = 4000000;

// Which tokens of two lists are common, as two lists of booleans: a longest common subsequence. The parts between a
// common beginning and end are not compared if they would need more than MOST_CELLS cells.
function commonTokens(before, after) {
  const inBefore = new Array(before.length).fill(false), inAfter = new Array(after.length).fill(false);
  let start = 0, end = 0;
  const shortest = Math.min(before.length, after.length);
  while (start < shortest && before[start] === after[start]) start++;
  while (end < shortest - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  for (let i = 0; i < start; i++) inBefore[i] = inAfter[i] = true;
  for (let i = 1; i <= end; i++) inBefore[before.length - i] = inAfter[after.length - i] = true;
  const n = before.length - start - end, m = after.length - start - end;
  if (n * m > MOST_CELLS) return [inBefore, inAfter];
  const wide = m + 1, lengths = new Uint16Array((n + 1) * wide);
  for (let i = n - 1; i >= 0; i--)
    for (let j = m - 1; j >= 0; j--)
      lengths[i * wide + j] = before[start + i] === after[start + j]
        ? lengths[(i + 1) * wide + j + 1] + 1
        : Math.max(lengths[(i + 1) * wide + j], lengths[i * wide + j + 1]);
  for (let i = 0, j = 0; i < n && j < m;) {
    if (before[start + i] === after[start + j]) { inBefore[start + i++] = true; inAfter[start + j++] = true; }
    else if (lengths[(i + 1) * wide + j] >= lengths[i * wide + j + 1]) i++;
    else j++;
  }
  return [inBefore, inAfter];
}

// Append tokens to an element; those that are not common are marked by `tag` (del or ins). Texts are never HTML.
function appendMarked(element, tokens, isCommon, tag) {
  for (let at = 0; at < tokens.length;) {
    let end = at;
    while (end < tokens.length && isCommon[end] === isCommon[at]) end++;
    const text = tokens.slice(at, end).join("");
    if (isCommon[at]) element.append(text);
    else {
      const mark = document.createElement(tag);
      mark.textContent = text;
      element.append(mark);
    }
    at = end;
  }
}

// Show two texts in two elements, with what only one of them has marked. If less than a fifth of the words of the longer
// text is common, nothing is marked: a text that is struck through is hard to read. Returns whether there are marks.
function showDiff(base, other, left, right) {
  const before = base.match(TOKEN) || [], after = other.match(TOKEN) || [];
  let [inBefore, inAfter] = commonTokens(before, after);
  const isWord = (token) => /[\p{L}\p{N}]/u.test(token);
  const words = Math.max(before.filter(isWord).length, after.filter(isWord).length, 1);
  const hasCommon = base === other || before.filter((token, at) => inBefore[at] && isWord(token)).length / words >= 0.2;
  if (!hasCommon) [inBefore, inAfter] = [before.map(() => true), after.map(() => true)];
  appendMarked(left, before, inBefore, "del");
  appendMarked(right, after, inAfter, "ins");
  return hasCommon;
}
