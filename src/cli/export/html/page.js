
"use strict";
// Shows only the messages of this page that hold every word that is typed, without regard to case and accents.
const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const texts = (element) => [...element.querySelectorAll(".by b, .text")];
const messages = [...document.querySelectorAll("article")].map((element) => ({
  element,
  text: folded(texts(element).map((part) => part.textContent).join("\n")),
}));
const days = [...document.querySelectorAll("h2")];
// Beyond this many, marking costs more than it helps.
const MOST_MARKS = 1000;

// The places in a node of text where a word stands, as ranges.
function* places(node, words) {
  let text = "";
  const origins = [];
  let at = 0;
  for (const character of node.data) {
    const part = folded(character);
    for (let i = 0; i < part.length; i++) origins.push([at, at + character.length]);
    text += part;
    at += character.length;
  }
  for (const word of words) {
    for (let found = text.indexOf(word); found >= 0; found = text.indexOf(word, found + word.length)) {
      const range = new Range();
      range.setStart(node, origins[found][0]);
      range.setEnd(node, origins[found + word.length - 1][1]);
      yield range;
    }
  }
}

function mark(elements, words) {
  if (!CSS.highlights) return;
  const ranges = [];
  for (const element of elements.flatMap(texts)) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode() && ranges.length < MOST_MARKS) ranges.push(...places(walker.currentNode, words));
    if (ranges.length >= MOST_MARKS) break;
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

document.getElementById("find").addEventListener("input", (event) => {
  const words = folded(event.target.value).split(/\s+/).filter(Boolean);
  const found = [];
  for (const { element, text } of messages) {
    element.hidden = !words.every((word) => text.includes(word));
    if (!element.hidden) found.push(element);
  }
  for (const day of days) day.hidden = words.length > 0;
  mark(words.length > 0 ? found : [], words);
  document.getElementById("found").textContent = words.length > 0 ? `${found.length} found` : "";
});
