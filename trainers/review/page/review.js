// The review page. It holds the next pairs, decoded, so that one shows as soon as the last is answered, and
// every answer until the server has it on disk, so that neither a dead server nor a closed browser loses one.

import { Zoom } from "./zoom.js";

const AHEAD = 6;
const HISTORY = 20;
// A second press within this time belongs to the pair before: nobody judges that fast.
const TOO_FAST_MS = 120;
const ANSWERS = [
  { answer: "1", keys: ["1"], label: "Image 1", hint: "1" },
  { answer: "2", keys: ["2"], label: "Image 2", hint: "2" },
  { answer: "both", keys: ["3", "b"], label: "Both", hint: "3 or B" },
  { answer: "neither", keys: ["4", "n"], label: "Neither", hint: "4 or N" },
  { answer: "unsure", keys: ["5", "u"], label: "Unsure", hint: "5 or U" },
];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

class Refused extends Error {}

async function post(name, body) {
  const response = await fetch(`/review/${name}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (response.status === 400) throw new Refused(answer.error);
  throw new Error(answer.error ?? `The server answers with ${response.status}.`);
}

// Answers that the server has not confirmed. Each is an entry of its own, so tabs do not disturb each other.
class Outbox {
  constructor(reviewId, annotator) {
    this.prefix = `spatial-review:${reviewId}:answer:${annotator}:`;
  }

  entries() {
    const found = [];
    for (let i = 0; i < localStorage.length; i++) {
      const name = localStorage.key(i);
      if (name.startsWith(this.prefix)) found.push(JSON.parse(localStorage.getItem(name)));
    }
    return found.sort((a, b) => a.at - b.at);
  }

  put(entry) {
    localStorage.setItem(this.prefix + entry.key, JSON.stringify(entry));
  }

  remove(entry) {
    localStorage.removeItem(this.prefix + entry.key);
  }
}

class Review {
  constructor(root, reviewId, annotator, leave) {
    this.annotator = annotator;
    this.outbox = new Outbox(reviewId, annotator);
    this.ready = []; // {question, images, loaded}, the next pairs in order
    this.history = []; // {key, item}, the last answers of this visit
    this.current = null;
    this.finished = false;
    this.busy = false;
    this.zoom = new Zoom(root.parentElement);
    this.build(root, leave);
    document.addEventListener("keydown", (event) => this.onKey(event));
    this.send();
    this.advance();
  }

  build(root, leave) {
    this.root = root;
    this.who = element("span", { class: "who" }, this.annotator);
    this.count = element("span", { class: "count" });
    this.saved = element("span", { class: "saved", role: "status" });
    this.bar = element("div", { class: "bar-fill" });
    this.notice = element("div", { class: "notice", role: "alert", hidden: "" });
    this.prompt = element("p", { class: "prompt" });
    this.other = element("p", { class: "prompt" });
    this.votes = element("div", { class: "votes", hidden: "" });
    this.frames = [1, 2].map((side) =>
      element("figure", { class: "frame", "data-side": side, onclick: () => this.openZoom() })
    );
    this.buttons = ANSWERS.map(({ answer, label, hint }) =>
      element(
        "button",
        { type: "button", class: "answer", "data-answer": answer, onclick: (e) => this.click(e, answer) },
        element("span", {}, label),
        element("kbd", {}, hint)
      )
    );
    this.undoButton = element(
      "button",
      { type: "button", class: "minor", "data-action": "undo", onclick: (e) => this.click(e, "undo") },
      "Undo ",
      element("kbd", {}, "Backspace")
    );
    const zoomButton = element(
      "button",
      { type: "button", class: "minor", "data-action": "zoom", onclick: (e) => this.click(e, "zoom") },
      "Zoom ",
      element("kbd", {}, "Z")
    );
    const change = element("button", { type: "button", class: "link", onclick: leave }, "change");
    this.work = element(
      "div",
      { class: "work" },
      element(
        "div",
        { class: "prompts" },
        element("h2", {}, "Which image shows this?"),
        this.prompt,
        element("h2", { class: "quiet" }, "The other image was made for"),
        this.other
      ),
      this.votes,
      element("div", { class: "frames" }, ...this.frames),
      element("div", { class: "answers" }, ...this.buttons),
      element(
        "div",
        { class: "foot" },
        element("span", {}, this.undoButton, zoomButton),
        element("span", { class: "rule" }, "Left, right, in front and behind are as you see them.")
      )
    );
    this.rest = element("div", { class: "rest" });
    root.replaceChildren(
      element(
        "div",
        { class: "head" },
        element("span", {}, this.who, " ", change),
        this.count,
        this.saved
      ),
      element("div", { class: "bar" }, this.bar),
      this.notice,
      this.work,
      this.rest
    );
    this.showRest("Loading pairs ...");
  }

  // Loading ahead

  load(question) {
    const images = ["1", "2"].map((side) => {
      const image = new Image();
      image.alt = `Image ${side}`;
      image.draggable = false;
      image.src = `/review/picture/${question.token}/${side}`;
      return image;
    });
    return { question, images, loaded: Promise.all(images.map((image) => image.decode())) };
  }

  async fill() {
    if (this.filling) return this.filling;
    this.filling = (async () => {
      const held = [
        ...this.ready.map((item) => item.question.token),
        ...this.outbox.entries().map((entry) => entry.token),
        ...(this.current ? [this.current.question.token] : []),
      ];
      const count = AHEAD - this.ready.length;
      if (count <= 0) return;
      const found = await post("questions", { annotator: this.annotator, held, count });
      // What was answered while this was under way is not asked again.
      const answered = new Set(this.outbox.entries().map((entry) => entry.token));
      for (const question of found.questions) {
        if (!answered.has(question.token)) this.ready.push(this.load(question));
      }
      this.finished = found.questions.length === 0;
      this.showProgress(found);
    })();
    try {
      await this.filling;
      this.showConnected();
    } finally {
      this.filling = null;
    }
  }

  async advance(since = null) {
    this.current = null;
    for (;;) {
      const item = this.ready.shift();
      if (item) {
        try {
          await item.loaded;
        } catch {
          this.say("A pair was left out: one of its images cannot be shown.");
          continue;
        }
        await this.show(item, since);
        this.fill().catch((error) => this.showLost(error));
        return;
      }
      try {
        await this.fill();
        if (this.ready.length) continue;
        this.showRest(
          this.adjudicates ? "No disagreement waits for you." : "Nothing is left for you to judge. Thank you!",
          "This page looks for more by itself."
        );
      } catch (error) {
        if (error instanceof Refused) {
          this.showRest(error.message);
          return;
        }
        this.showLost(error);
      }
      this.idle = sleep(this.finished ? 5000 : 1000);
      await this.idle;
      if (this.current) return; // an undo has brought one back
      since = null;
    }
  }

  async show(item, since) {
    this.current = item;
    const { question, images } = item;
    this.frames.forEach((frame, i) => {
      frame.replaceChildren(images[i], element("figcaption", {}, String(i + 1)));
    });
    showPrompt(this.prompt, question.prompt);
    showPrompt(this.other, question.prompt_other);
    this.votes.hidden = !question.votes;
    if (question.votes) {
      const given = ANSWERS.filter(({ answer }) => question.votes[answer]);
      this.votes.textContent =
        "Others answered: " + given.map(({ answer, label }) => `${label} (${question.votes[answer]})`).join(", ");
    }
    this.rest.hidden = true;
    this.work.hidden = false;
    if (this.zoom.open) this.zoom.show(images);
    this.shownAt = performance.now();
    this.root.dataset.token = question.token;
    await painted();
    // For measuring: milliseconds from the answer to the next pair being on the screen.
    if (since !== null) this.root.dataset.nextAfter = (performance.now() - since).toFixed(1);
    this.root.dataset.shown = String(Number(this.root.dataset.shown ?? 0) + 1);
  }

  // Answering

  answer(answer) {
    const now = performance.now();
    if (!this.current || this.busy || now - this.shownAt < TOO_FAST_MS) return;
    const item = this.current;
    const entry = {
      key: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`,
      token: item.question.token,
      answer,
      seconds: (now - this.shownAt) / 1000,
      at: Date.now() + now / 1e9,
    };
    this.outbox.put(entry);
    this.history.push({ key: entry.key, item });
    this.history.splice(0, this.history.length - HISTORY);
    this.flash(answer);
    this.advance(now);
    this.send();
  }

  flash(answer) {
    const button = this.buttons[ANSWERS.findIndex((a) => a.answer === answer)];
    button.classList.remove("chosen");
    void button.offsetWidth; // starts the animation anew
    button.classList.add("chosen");
  }

  // Sends what waits, in order, until nothing does. One runs at a time.
  send() {
    this.sending ??= (async () => {
      let wait = 250;
      for (let entry; (entry = this.outbox.entries()[0]); ) {
        this.showSaved();
        try {
          this.showProgress(await post("answer", { annotator: this.annotator, ...entry }));
          this.outbox.remove(entry);
          this.showConnected();
          wait = 250;
        } catch (error) {
          if (error instanceof Refused) {
            this.outbox.remove(entry);
            this.say(`An answer could not be kept: ${error.message}`);
          } else {
            this.showLost(error);
            await sleep(wait);
            wait = Math.min(2 * wait, 4000);
          }
        }
      }
      this.showSaved();
    })().finally(() => (this.sending = null));
    return this.sending;
  }

  async undo() {
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.outbox.entries().length) await this.send();
      const last = this.history.pop();
      const key = last?.key ?? (await post("last", { annotator: this.annotator })).key;
      if (!key) {
        this.say("There is no answer to take back.");
        return;
      }
      const found = await post("undo", { annotator: this.annotator, key });
      this.showProgress(found);
      if (!found.question) {
        this.say("That answer has been taken back already.");
        return;
      }
      const item = last?.item ?? this.load(found.question);
      await item.loaded;
      if (this.current) this.ready.unshift(this.current);
      await this.show(item, null);
      this.say("Taken back. Answer again.", true);
    } catch (error) {
      this.say(`Nothing was taken back: ${error.message}`);
    } finally {
      this.busy = false;
    }
  }

  openZoom() {
    if (this.current) this.zoom.show(this.current.images);
  }

  click(event, action) {
    event.currentTarget.blur(); // or the space bar would press it again
    if (action === "undo") this.undo();
    else if (action === "zoom") this.openZoom();
    else this.answer(action);
  }

  onKey(event) {
    if (!this.root.isConnected || !this.root.offsetParent || event.repeat || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const key = event.key.toLowerCase();
    const undo = key === "backspace" || (key === "z" && (event.ctrlKey || event.metaKey));
    if (!undo && (event.ctrlKey || event.metaKey)) return;
    const found = ANSWERS.find(({ keys }) => keys.includes(key));
    if (undo) this.undo();
    else if (found) this.answer(found.answer);
    else if (key === "z" && !this.zoom.open) this.openZoom();
    else if (!this.zoom.onKey(key)) return;
    event.preventDefault();
  }

  // Telling how it goes

  showProgress({ progress, adjudicates }) {
    this.adjudicates = adjudicates;
    const { answered, votes, votes_wanted: wanted, disputed } = progress;
    const all = adjudicates ? `${disputed} disagreements wait` : `all together ${votes} of ${wanted} votes`;
    this.count.textContent = `${answered} answered by you \u00b7 ${all}`;
    this.bar.style.width = `${wanted ? (100 * votes) / wanted : 0}%`;
    this.root.dataset.answered = answered;
  }

  showSaved() {
    const waiting = this.outbox.entries().length;
    this.root.dataset.waiting = waiting;
    this.saved.textContent = waiting ? `saving ${waiting} ...` : "all saved";
  }

  showConnected() {
    if (this.lost) this.notice.hidden = true;
    this.lost = false;
    this.showSaved();
  }

  showLost(error) {
    this.lost = true;
    const waiting = this.outbox.entries().length;
    const kept = waiting ? ` ${waiting} of your answers wait in this browser and are sent as soon as it does.` : "";
    const reason = error instanceof TypeError ? "The server does not answer." : error.message;
    this.tell(`${reason}${kept}`, "bad");
  }

  say(text, good = false) {
    this.tell(text, good ? "good" : "bad");
    clearTimeout(this.saying);
    this.saying = setTimeout(() => (this.notice.hidden = !this.lost), good ? 2000 : 8000);
  }

  tell(text, kind) {
    this.notice.textContent = text;
    this.notice.dataset.kind = kind;
    this.notice.hidden = false;
  }

  showRest(...lines) {
    this.zoom.close();
    this.rest.replaceChildren(...lines.map((line) => element("p", {}, line)));
    this.rest.hidden = false;
    this.work.hidden = true;
    delete this.root.dataset.token;
  }
}

function showPrompt(place, segments) {
  place.replaceChildren(
    ...segments.map(({ text, changed }) => (changed ? element("mark", {}, text) : document.createTextNode(text)))
  );
}

// Asks who is there, then starts the review. `?annotator=NAME` in the address answers for them.
export function start(root, { reviewId }) {
  const memory = `spatial-review:${reviewId}:annotator`;
  const address = new URL(location.href);
  const begin = async (name) => {
    const { annotator } = await post("questions", { annotator: name, held: [], count: 0 });
    localStorage.setItem(memory, annotator);
    new Review(root, reviewId, annotator, () => {
      localStorage.removeItem(memory);
      address.searchParams.delete("annotator");
      location.href = address.href;
    });
  };
  const ask = (message) => {
    const input = element("input", { type: "text", maxlength: 40, required: "", "aria-label": "Your name" });
    const error = element("p", { class: "error", role: "alert" }, message ?? "");
    const form = element(
      "form",
      { class: "ask" },
      element("h1", {}, "Which image shows the prompt?"),
      element(
        "p",
        {},
        "You will see two images and two prompts. Say which image shows the first prompt. Words that differ " +
          "between the prompts are marked. Left, right, in front and behind are as you see them, looking at " +
          "the image."
      ),
      element("p", {}, "Choose a name. Use the same one each time to go on where you stopped."),
      element("div", { class: "row" }, input, element("button", { class: "answer" }, "Start")),
      error
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      begin(input.value).catch((problem) => (error.textContent = problem.message));
    });
    root.replaceChildren(form);
    input.focus();
  };
  const known = address.searchParams.get("annotator") ?? localStorage.getItem(memory);
  if (known) begin(known).catch((problem) => ask(problem.message));
  else ask();
}
