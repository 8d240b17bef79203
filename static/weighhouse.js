/* What the pages do beyond plain HTML: theme, copying, toasts, uploads with progress.
   Everything works without it, a little less comfortably. */
"use strict";

(() => {
  const root = document.documentElement;
  root.classList.add("js");

  // ---- theme: chosen here before the first paint; without a choice the system decides.
  const remembered = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const theme = remembered();
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  const toggleTheme = () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // Private windows may forbid it; the choice then lasts for this page.
    }
  };

  // ---- small things, by delegation: pieces of the page come and go.
  const copy = async (button) => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return;
    }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1200);
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    if (target.closest("[data-theme-toggle]")) toggleTheme();
    const copying = target.closest("[data-copy]");
    if (copying) copy(copying);
    target.closest("[data-dismiss]")?.closest(".toast")?.remove();
    // A click elsewhere closes an open panel.
    for (const open of document.querySelectorAll("details.drop[open]")) {
      if (!open.contains(target)) open.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const open of document.querySelectorAll("details.drop[open]")) {
      open.open = false;
      open.querySelector("summary")?.focus();
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target instanceof HTMLSelectElement && event.target.matches("[data-submit]")) {
      event.target.form.requestSubmit();
    }
  });

  const reveal = (scope) => {
    for (const button of scope.querySelectorAll("[data-theme-toggle], [data-dismiss]")) {
      button.hidden = false;
    }
    // Browsers offer the clipboard on secure origins only.
    if (navigator.clipboard) {
      for (const button of scope.querySelectorAll("[data-copy]")) button.hidden = false;
    }
  };

  const fadeToasts = () => {
    for (const toast of document.querySelectorAll(".toast:not(.error)")) {
      setTimeout(() => toast.remove(), 8000);
    }
  };

  // ---- pictures in full, with what made them; without this a link opens the file.
  const sign = (name) => {
    const use = document.querySelector(".icon use")?.getAttribute("href") ?? "";
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const shape = document.createElementNS(space, "use");
    shape.setAttribute("href", use.replace(/#.*/, `#${name}`));
    svg.append(shape);
    return svg;
  };

  const enlarge = (link) => {
    const links = [...link.closest("section").querySelectorAll("[data-enlarge]")];
    let at = links.indexOf(link);
    const dialog = element("dialog", "lightbox");
    const bar = element("div", "bar");
    const title = element("p");
    const image = element("img");
    const parameters = element("pre", "code wrap");
    const copying = element("button", "button small", "Copy parameters");
    const closing = element("button", "plain");
    const named = element("span", "unseen", "Close");
    copying.type = closing.type = "button";
    parameters.tabIndex = 0;
    closing.append(sign("cross"), named);
    bar.append(title, copying, closing);
    dialog.append(bar, image, parameters);

    const show = () => {
      const shown = links[at];
      const thumb = shown.querySelector("img");
      const text = shown.dataset.parameters ?? "";
      title.textContent = shown.dataset.enlarge;
      dialog.setAttribute("aria-label", shown.dataset.enlarge);
      dialog.classList.toggle("wide", thumb.width > thumb.height * 2 || !text);
      image.width = Number(thumb.getAttribute("width"));
      image.height = Number(thumb.getAttribute("height"));
      image.alt = thumb.alt;
      image.src = shown.href;
      parameters.textContent = text;
      parameters.hidden = !text;
      copying.dataset.copy = text;
      copying.hidden = !text || !navigator.clipboard;
    };
    const step = (by) => {
      at = (at + by + links.length) % links.length;
      show();
    };
    closing.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "ArrowRight") step(1);
      if (event.key === "ArrowLeft") step(-1);
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      links[at].focus();
    });
    show();
    document.body.append(dialog);
    dialog.showModal();
  };

  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("[data-enlarge]") : null;
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!link || !plain || event.button) return;
    event.preventDefault();
    enlarge(link);
  });

  // ---- uploads: the files go one after the other, each with its own bar.
  const sized = (bytes) => {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let value = bytes;
    let unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
      value /= 1000;
      unit += 1;
    }
    const places = !unit || value >= 99.5 ? 0 : value < 9.995 ? 2 : 1;
    return `${value.toFixed(places)} ${units[unit]}`;
  };

  const element = (name, className, text = "") => {
    const made = document.createElement(name);
    if (className) made.className = className;
    made.textContent = text;
    return made;
  };

  class Item {
    constructor(file, list) {
      this.file = file;
      this.state = "waiting";
      this.row = element("li");
      this.note = element("span", "quiet", sized(file.size));
      this.bar = element("progress");
      this.bar.max = 1;
      this.bar.value = 0;
      this.bar.setAttribute("aria-label", file.name);
      this.row.append(element("span", "file-name", file.name), this.note, this.bar);
      list.append(this.row);
    }

    progress(loaded, total) {
      this.bar.value = total ? loaded / total : 0;
      const done = loaded >= total;
      this.note.textContent = done
        ? "being stored"
        : `${Math.floor((100 * loaded) / total)} % of ${sized(total)}`;
    }

    finish() {
      this.state = "done";
      this.row.className = "done";
      this.bar.remove();
      this.note.textContent = `${sized(this.file.size)}, arrived`;
    }

    fail(detail) {
      this.state = "failed";
      this.row.className = "failed";
      this.bar.remove();
      this.row.append(element("p", "wrong", detail));
      this.note.textContent = sized(this.file.size);
    }
  }

  class Refused extends Error {}

  const send = (address, body, onProgress) =>
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open("POST", address);
      request.setRequestHeader("Accept", "application/json");
      request.setRequestHeader(
        "X-CSRFToken",
        document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "",
      );
      request.responseType = "json";
      if (onProgress) {
        request.upload.addEventListener("progress", (event) =>
          onProgress(event.loaded, event.total),
        );
      }
      request.addEventListener("load", () => {
        if (request.status < 300) resolve(request.response ?? {});
        else {
          const detail = request.response?.detail;
          reject(new Refused(detail ?? `The server answered ${request.status}.`));
        }
      });
      request.addEventListener("error", () =>
        reject(new Refused("The connection broke off. Nothing of this file was kept.")),
      );
      request.send(body);
    });

  const sendFiles = async (items, address) => {
    for (const item of items) {
      if (item.state !== "waiting") continue;
      const body = new FormData();
      body.append("file", item.file, item.file.name);
      try {
        await send(address, body, (loaded, total) => item.progress(loaded, total));
        item.finish();
      } catch (error) {
        item.fail(error.message);
      }
    }
    return items.every((item) => item.state === "done");
  };

  const fieldsOf = (form) => {
    const body = new FormData(form);
    body.delete("file");
    return body;
  };

  const prepare = (form) => {
    const input = form.querySelector("input[type=file]");
    const zone = form.querySelector("[data-dropzone]");
    const list = form.querySelector("[data-queue]");
    const trouble = form.querySelector("[data-trouble]");
    const button = form.querySelector("button[type=submit]");
    const items = [];
    let places = form.dataset.page ? { page: form.dataset.page, files: form.action } : null;

    const add = (files) => {
      for (const file of files) items.push(new Item(file, list));
    };
    const tell = (text) => {
      if (trouble) {
        trouble.textContent = text;
        trouble.hidden = !text;
      }
    };

    input.addEventListener("change", () => {
      add(input.files);
      input.value = "";
    });
    for (const type of ["dragenter", "dragover"]) {
      zone.addEventListener(type, (event) => {
        event.preventDefault();
        zone.classList.add("over");
      });
    }
    zone.addEventListener("dragleave", (event) => {
      if (!zone.contains(event.relatedTarget)) zone.classList.remove("over");
    });
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      add(event.dataTransfer.files);
    });

    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      tell("");
      if (!items.some((item) => item.state !== "failed")) {
        tell("Choose at least one file.");
        input.focus();
        return;
      }
      button.disabled = true;
      const leaving = (leave) => leave.preventDefault();
      addEventListener("beforeunload", leaving);
      try {
        places ??= await send(form.action, fieldsOf(form));
        const whole = await sendFiles(items, places.files);
        removeEventListener("beforeunload", leaving);
        if (whole) {
          if (places.submit) await send(places.submit, new FormData());
          location.assign(places.page);
          return;
        }
        tell("Not every file arrived. Add what is missing and go on, or open the draft.");
        const draft = form.querySelector("[data-draft]");
        if (draft) {
          draft.href = places.page;
          draft.hidden = false;
        }
      } catch (error) {
        tell(error.message);
      } finally {
        removeEventListener("beforeunload", leaving);
        button.disabled = false;
      }
    });
  };

  const showNewModelFields = (form) => {
    const choice = form.querySelector("[name=model]");
    const fields = form.querySelector("[data-new-model]");
    if (!choice || !fields) return;
    const update = () => {
      fields.hidden = choice.value !== "new";
    };
    choice.addEventListener("change", update);
    update();
  };

  document.addEventListener("DOMContentLoaded", () => {
    reveal(document);
    fadeToasts();
    for (const form of document.querySelectorAll("[data-upload], [data-add-files]")) {
      prepare(form);
      showNewModelFields(form);
    }
    // On a small screen the facets start folded away.
    const fold = document.querySelector(".facet-fold");
    if (fold && matchMedia("(max-width: 48rem)").matches) fold.open = false;
  });
  document.addEventListener("htmx:afterSettle", (event) => reveal(event.target));
})();
