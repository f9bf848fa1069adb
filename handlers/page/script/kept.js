/** Values kept in local storage, if the browser allows it. */

export const kept = {
  /** @param {string} key */
  get(key) {
    try {
      return localStorage.getItem(`pyserve.${key}`);
    } catch {
      return null;
    }
  },
  /** @param {string} key @param {string} value */
  set(key, value) {
    try {
      localStorage.setItem(`pyserve.${key}`, value);
    } catch {
      // Then the value only lasts as long as the page.
    }
  },
};
