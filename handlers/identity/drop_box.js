/** The page of an upload link: sends one file after the other, and shows the progress. */
const form = /** @type {HTMLFormElement} */ (document.querySelector("form"));
const input = /** @type {HTMLInputElement} */ (form.querySelector("input"));

const list = document.createElement("ul");
list.className = "sent";
const status = document.createElement("p");
status.setAttribute("role", "status");
form.append(list, status);

/** @type {{ file: File, row: Row }[]} */
const waiting = [];
let isSending = false;
let arrived = 0;

class Row {
  /** @param {File} file */
  constructor(file) {
    this.item = list.appendChild(document.createElement("li"));
    const name = this.item.appendChild(document.createElement("bdi"));
    name.textContent = file.name;
    this.state = this.item.appendChild(document.createElement("span"));
    this.bar = this.item.appendChild(document.createElement("progress"));
    this.bar.max = 1;
    this.bar.setAttribute("aria-label", file.name);
    this.show(0, "waits");
  }

  /** @param {number} part @param {string} text */
  show(part, text) {
    this.bar.value = part;
    this.state.textContent = text;
  }
}

/** @param {Iterable<File>} files */
function add(files) {
  for (const file of files) waiting.push({ file, row: new Row(file) });
  if (!isSending) sendAll();
}

async function sendAll() {
  isSending = true;
  status.textContent = "";
  const failed = [];
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const problem = await sendOne(next);
    if (problem === null) arrived += 1;
    else failed.push({ ...next, problem });
  }
  isSending = false;
  finish(failed);
}

/** @param {{ file: File, row: Row, problem: string }[]} failed */
function finish(failed) {
  const files = `${arrived} ${arrived === 1 ? "file has" : "files have"} arrived`;
  status.textContent = failed.length === 0
    ? `${files}. You can send more, or close this page.`
    : `${files}, ${failed.length} failed.`;
  for (const { file, row } of failed) row.item.append(retryButton(file, row));
}

/** @param {File} file @param {Row} row */
function retryButton(file, row) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Send again";
  button.addEventListener("click", () => {
    row.item.remove();
    add([file]);
  });
  return button;
}

/** @param {{ file: File, row: Row }} one @returns {Promise<string | null>} The problem; null if it has arrived. */
function sendOne({ file, row }) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", location.pathname);
    request.setRequestHeader("accept", "application/json");
    request.upload.onprogress = ({ loaded, total }) => {
      row.show(total > 0 ? loaded / total : 0, `${Math.floor((100 * loaded) / Math.max(1, total))} %`);
    };
    /** @param {string | null} problem */
    const end = (problem) => {
      row.show(problem === null ? 1 : 0, problem ?? "arrived");
      row.item.className = problem === null ? "done" : "failed";
      resolve(problem);
    };
    request.onload = () => end(request.status < 300 ? null : problemOf(request));
    request.onerror = () => end("the connection was lost");
    const body = new FormData();
    body.append("file", file);
    request.send(body);
  });
}

/** @param {XMLHttpRequest} request */
function problemOf({ status, responseText }) {
  if (status === 404) return "this link is no longer valid";
  try {
    return String(JSON.parse(responseText).detail);
  } catch {
    return `the server answered ${status}`;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  add(input.files ?? []);
  form.reset();
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  add(event.dataTransfer?.files ?? []);
});
addEventListener("beforeunload", (event) => isSending && event.preventDefault());
