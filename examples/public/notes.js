/** Shows the notes and adds one. Without the API, as under `deploy.ts`, there are none. */

const form = document.querySelector("form");
const list = document.querySelector("ul");

async function show() {
  const response = await fetch("/api/notes");
  const notes = response.ok ? await response.json() : [];
  list.replaceChildren(...notes.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = JSON.stringify({ text: new FormData(form).get("text") });
  await fetch("/api/notes", { method: "POST", headers: { "content-type": "application/json" }, body });
  form.reset();
  await show();
});

await show();
