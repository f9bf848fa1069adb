/** A single-page app of npm packages, built by Vite. */

import { type TempTree, tempTree } from "./tree.ts";

/** Pinned: other versions give other names to what they build. */
const PACKAGES = { "react": "19.2.0", "react-dom": "19.2.0", "react-router": "7.9.5", "vite": "7.1.12" };

const FILES = {
  "index.html": `<!DOCTYPE html>
<html lang="en">
  <head><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,"></head>
  <body><div id="root"></div><script type="module" src="/src/main.jsx"></script></body>
</html>
`,
  "src/main.jsx": `import { lazy, Suspense } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Link, Route, Routes, useParams } from "react-router";
import logo from "./logo.svg";
import "./style.css";

const About = lazy(() => import("./about.jsx"));

function Item() {
  return <h1>Item {useParams().id}</h1>;
}

createRoot(document.getElementById("root")).render(
  <BrowserRouter>
    <img src={logo} alt="" />
    <nav><Link to="/">Home</Link> <Link to="/items/42">Item</Link> <Link to="/about">About</Link></nav>
    <Suspense>
      <Routes>
        <Route path="/" element={<h1>Home</h1>} />
        <Route path="/items/:id" element={<Item />} />
        <Route path="/about" element={<About />} />
      </Routes>
    </Suspense>
  </BrowserRouter>,
);
`,
  "src/about.jsx": "export default function About() {\n  return <h1>About the shop</h1>;\n}\n",
  "src/style.css": "body {\n  font: 1rem/1.5 system-ui, sans-serif;\n}\n",
  "src/logo.svg":
    `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16"><circle cx="8" cy="8" r="8"/></svg>\n`,
  "vite.config.js":
    `export default { build: { assetsInlineLimit: 0 }, esbuild: { jsx: "automatic" }, logLevel: "error" };\n`,
};

/** An app that was built, with all packages. */
export interface ViteApp extends TempTree {
  /** The directory to serve. */
  readonly dist: string;
}

/**
 * Installs the packages from npm and builds the app; a sentence if that is not possible.
 *
 * @param more Further packages, with their versions.
 */
export async function buildApp(more: Readonly<Record<string, string>> = {}): Promise<ViteApp | string> {
  const manifest = { private: true, type: "module", dependencies: { ...PACKAGES, ...more } };
  const tree = await tempTree({ ...FILES, "package.json": JSON.stringify(manifest) });
  const deno = async (...args: string[]) => {
    const command = new Deno.Command(Deno.execPath(), { args, cwd: tree.path, env: { NO_COLOR: "1" }, stdin: "null" });
    const { success, stderr } = await command.output();
    return success ? null : /error: (.*)/.exec(new TextDecoder().decode(stderr))?.[1] ?? "unknown";
  };
  const problem = await deno("install", "--quiet", "--node-modules-dir=auto", "--no-lock");
  if (problem !== null) {
    await tree[Symbol.asyncDispose]();
    return `packages of npm cannot be installed: ${problem}`;
  }
  const failure = await deno("run", "-A", "--no-lock", "node_modules/vite/bin/vite.js", "build");
  if (failure !== null) throw new Error(`Vite failed: ${failure}`);
  return { ...tree, dist: tree.at("dist") };
}
