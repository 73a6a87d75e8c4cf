
"use strict";
// Shows only the messages of this page that hold every word that is typed, without regard to case and accents.
const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const messages = [...document.querySelectorAll("article")].map((element) => ({ element, text: folded(element.textContent) }));
const days = [...document.querySelectorAll("h2")];
document.getElementById("find").addEventListener("input", (event) => {
  const words = folded(event.target.value).split(/\s+/).filter(Boolean);
  let count = 0;
  for (const { element, text } of messages) {
    element.hidden = !words.every((word) => text.includes(word));
    count += element.hidden ? 0 : 1;
  }
  for (const day of days) day.hidden = words.length > 0;
  document.getElementById("found").textContent = words.length > 0 ? `${count} found` : "";
});
