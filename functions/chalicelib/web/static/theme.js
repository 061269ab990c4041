/** The colours: the system's own, or light or dark if somebody chose so. Not a module: it runs before the page is drawn. */

"use strict";

(() => {
  const STORED = "coatcheck.theme";
  const root = document.documentElement;

  /** @returns {string} "light", "dark", or empty: the system's */
  function chosen() {
    try {
      return localStorage.getItem(STORED) ?? "";
    } catch {
      return "";
    }
  }

  /** @param {string} theme */
  function keep(theme) {
    root.dataset.theme = theme;
    try {
      if (theme) localStorage.setItem(STORED, theme);
      else localStorage.removeItem(STORED);
    } catch {
      // no storage: it lasts until the reload
    }
  }

  root.dataset.theme = chosen();
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    button?.addEventListener("click", () => {
      const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
      const other = (root.dataset.theme || system) === "dark" ? "light" : "dark";
      keep(other === system ? "" : other);
    });
  });
})();
