// Both images side by side on the whole screen, moved and enlarged together.

const LIMIT = 16;

export class Zoom {
  constructor(place) {
    this.layer = document.createElement("div");
    this.layer.className = "spatial-review-zoom";
    this.layer.hidden = true;
    this.panes = [0, 1].map(() => {
      const pane = document.createElement("div");
      pane.className = "pane";
      this.layer.append(pane);
      return pane;
    });
    const hint = document.createElement("div");
    hint.className = "hint";
    hint.textContent = "+ and - enlarge, arrows or dragging move, Z or Esc closes; the answer keys work here too";
    const close = document.createElement("button");
    close.type = "button";
    close.textContent = "\u00d7";
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", () => this.close());
    this.layer.append(hint, close);
    place.append(this.layer);
    this.pointers = new Map();
    this.layer.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    this.layer.addEventListener("pointerdown", (event) => this.onDown(event));
    this.layer.addEventListener("pointermove", (event) => this.onMove(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.layer.addEventListener(end, (event) => this.pointers.delete(event.pointerId));
    }
  }

  get open() {
    return !this.layer.hidden;
  }

  show(images) {
    this.panes.forEach((pane, i) => {
      const image = images[i].cloneNode();
      const name = document.createElement("span");
      name.className = "name";
      name.textContent = String(i + 1);
      pane.replaceChildren(image, name);
    });
    this.layer.hidden = false;
    this.place(1, 0, 0);
  }

  close() {
    this.layer.hidden = true;
    this.pointers.clear();
  }

  // Returns whether the key was meant for the zoomed view.
  onKey(key) {
    if (!this.open) return false;
    const step = 60;
    const moves = { arrowleft: [step, 0], arrowright: [-step, 0], arrowup: [0, step], arrowdown: [0, -step] };
    if (key === "escape" || key === "z") this.close();
    else if (key === "+" || key === "=") this.scaleBy(1.25);
    else if (key === "-") this.scaleBy(0.8);
    else if (key === "0") this.place(1, 0, 0);
    else if (moves[key]) this.place(this.scale, this.x + moves[key][0], this.y + moves[key][1]);
    else return false;
    return true;
  }

  // Enlarges by `factor`, keeping the point (x, y), counted from the middle of a pane, where it is.
  scaleBy(factor, x = 0, y = 0) {
    const scale = Math.min(LIMIT, Math.max(1, this.scale * factor));
    const share = scale / this.scale;
    this.place(scale, x - (x - this.x) * share, y - (y - this.y) * share);
  }

  place(scale, x, y) {
    // The middle of the pane stays on the image.
    const { clientWidth: width, clientHeight: height } = this.panes[0];
    const [right, down] = [(width * (scale - 1)) / 2, (height * (scale - 1)) / 2];
    this.scale = scale;
    this.x = Math.max(-right, Math.min(right, x));
    this.y = Math.max(-down, Math.min(down, y));
    for (const pane of this.panes) {
      const image = pane.querySelector("img");
      image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
      image.style.imageRendering = scale >= 4 ? "pixelated" : "auto";
    }
  }

  fromMiddle(event) {
    const pane = event.target.closest?.(".pane") ?? this.panes[0];
    const box = pane.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  }

  onWheel(event) {
    event.preventDefault();
    this.scaleBy(Math.exp(-event.deltaY / 400), ...this.fromMiddle(event));
  }

  onDown(event) {
    if (event.target.closest("button")) return;
    this.layer.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
  }

  onMove(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const distance = ([x, y]) => Math.max(1, Math.hypot(x - other[0], y - other[1]));
      this.scaleBy(distance(now) / distance(before));
    } else {
      this.place(this.scale, this.x + now[0] - before[0], this.y + now[1] - before[1]);
    }
    this.pointers.set(event.pointerId, now);
  }
}
