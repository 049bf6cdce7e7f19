// The link to the other language leads to the section that is being read: anchors are the same in both.
const language = document.querySelectorAll("a.book-language");

function sectionInView() {
  const line = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop || 0) + 8;
  const marks = [...document.querySelectorAll("[id^='cell-'], [id^='section-'], dt.sig[id]")];
  return marks.filter((mark) => mark.getBoundingClientRect().top <= line).at(-1)?.id ?? "";
}

for (const link of language)
  for (const event of ["pointerdown", "click", "auxclick"])
    link.addEventListener(event, () => (link.hash = window.scrollY > 0 ? sectionInView() : ""));

// Formulas and films that come late move what is below them: the section asked for stays in view until the reader moves.
let asked = null;
const ask = () => (asked = document.getElementById(decodeURIComponent(location.hash.slice(1))));
window.addEventListener("hashchange", ask);
for (const event of ["wheel", "touchmove", "keydown", "pointerdown"])
  window.addEventListener(event, () => (asked = null), { passive: true });
ask();
const article = document.querySelector("article.bd-article");
if (article) new ResizeObserver(() => asked?.scrollIntoView()).observe(article);

// Films stop and go on at a button; they stand still from the start for readers who asked for less motion.
const words = document.documentElement.lang.startsWith("zh") ? ["暂停", "播放"] : ["Pause", "Play"];

function stoppable(film) {
  const still = document.createElement("canvas");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "btn btn-sm book-film" });
  still.setAttribute("role", "img");
  still.setAttribute("aria-label", film.alt);
  const stop = (stopped) => {
    if (stopped) {
      still.width = film.naturalWidth;
      still.height = film.naturalHeight;
      still.style.width = `${film.width}px`;
      still.getContext("2d").drawImage(film, 0, 0);
    }
    film.hidden = stopped;
    still.hidden = !stopped;
    button.textContent = words[Number(stopped)];
  };
  button.addEventListener("click", () => stop(!film.hidden));
  film.after(still, button);
  stop(matchMedia("(prefers-reduced-motion: reduce)").matches);
}

for (const film of document.querySelectorAll("img.film"))
  if (film.complete) stoppable(film);
  else film.addEventListener("load", () => stoppable(film), { once: true });
