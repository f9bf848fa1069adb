/**
 * File uploads by HTML forms, which work without JavaScript: POST to a directory (RFC 7578).
 *
 * @module
 */

import { contentLengthOf, readBody } from "../core/request_body.ts";
import { HttpError } from "../core/errors.ts";
import type { SitePath } from "../http/target.ts";
import { locationFor } from "../core/location.ts";
import type { PartFile } from "../sources/writer.ts";
import type { Context } from "../core/types.ts";
import type { Operations } from "../store/operations.ts";
import { slices } from "../store/slices.ts";
import { fileLimit, WriteBuffer } from "../store/write_buffer.ts";
import { countUpload, describeStored, toldTo, wantsPage } from "./answers.ts";
import { boundaryOf, type FormEvent, type FormField, MultipartParser } from "./multipart.ts";
import { Outcomes } from "./outcomes.ts";
import { writeError } from "./refusals.ts";
import { operationsFor } from "./rights.ts";
import { PARTIAL_UPLOAD } from "./upload_fields.ts";
import type { UploadSite } from "./upload_site.ts";
import { policyOf, type Wish, wishOf } from "./wish.ts";

/** The media types of a POST: a form, or the first part of a resumable upload. */
export const ACCEPTED_POSTS = `multipart/form-data, ${PARTIAL_UPLOAD}`;

/** Maximum number of fields in a form: more are a mistake or an attack. */
const MOST_FIELDS = 10_000;

/** Maximum size of the one field that is read besides files: a single word. */
const MAX_POLICY_BYTES = 100;

/** Maximum size of an ignored field that is not a file. */
const MAX_IGNORED_BYTES = 1_048_576;

/**
 * Stores the files of a form independently: an error with one does not affect the others. Browsers are redirected to
 * the directory, other clients get a list.
 */
export async function postForm(site: UploadSite, request: Request, context: Context): Promise<Response> {
  const boundary = boundaryOf(request.headers.get("content-type"));
  if (boundary === null) {
    throw new HttpError(
      415,
      "POST takes multipart/form-data, or starts a resumable upload (Upload-Complete)",
      {
        headers: { "accept-post": ACCEPTED_POSTS },
      },
    );
  }
  const directory = await operationsFor(site, request, context).known("create").stat(context.target.path);
  if (directory === null) throw new HttpError(404);
  if (directory.kind !== "directory") {
    throw new HttpError(409, "Forms can only be sent to a directory; use PUT to store a single file");
  }
  const intake = new FormIntake(site, request, context);
  try {
    const parser = new MultipartParser(boundary);
    for await (const chunk of readBody(request.body, { stallMs: site.settings.stallMs })) {
      for await (const event of inSlices(parser.push(chunk))) await intake.take(event);
    }
    if (!parser.isFinished) throw new HttpError(400, "The form is truncated");
  } catch (error) {
    await intake.breakOff(error);
  }
  return answer(request, context, intake.outcomes);
}

/** The events of a form, time-sliced: parsing headers takes a moment, and a form may contain nothing else. */
async function* inSlices(events: Iterator<FormEvent>): AsyncGenerator<FormEvent> {
  for (;;) {
    const { done, value } = slices.run(() => events.next());
    if (done) return;
    if (slices.due) await slices.next();
    yield value;
  }
}

/** Consumes the events of a form and stores its files. */
class FormIntake {
  readonly outcomes = new Outcomes();
  readonly #site: UploadSite;
  readonly #operations: Operations;
  readonly #context: Context;
  readonly #directory: SitePath;
  #wish: Wish;
  #length: number | null;
  #fields = 0;
  #buffer: WriteBuffer | null = null;
  #file: { readonly part: PartFile; readonly path: SitePath; readonly buffer: WriteBuffer } | null = null;
  #policy: string | null = null;
  /** Bytes left for ignored fields. */
  #ignorable = 0;

  constructor(site: UploadSite, request: Request, context: Context) {
    const { target } = context;
    this.#site = site;
    this.#operations = operationsFor(site, request, context);
    this.#context = context;
    this.#directory = target.path;
    this.#wish = wishOf(request.headers, target.query, site.settings.onConflict);
    this.#length = contentLengthOf(request);
  }

  async take(event: FormEvent): Promise<void> {
    if (event.kind === "field") return await this.#begin(event.field);
    if (event.kind === "end") return await this.#end();
    if (this.#policy !== null) this.#addPolicy(event.bytes);
    else if (this.#file) await this.#file.buffer.push(event.bytes);
    else this.#ignore(event.bytes);
  }

  #ignore({ length }: Uint8Array): void {
    this.#ignorable -= length;
    if (this.#ignorable < 0) throw new HttpError(413, "A form field that is not a file is too long");
  }

  /** Fails the current file and ends the form. Files stored before are kept. */
  async breakOff(error: unknown): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.buffer.idle();
    await file?.part.discard();
    this.outcomes.addEnd(file?.path.name ?? "", writeError(error, file?.path ?? this.#directory));
  }

  async #begin({ name, filename }: FormField): Promise<void> {
    this.#fields += 1;
    if (this.#fields > MOST_FIELDS) throw new HttpError(413, `The form has more than ${MOST_FIELDS} fields`);
    this.#ignorable = filename === null ? MAX_IGNORED_BYTES : this.#site.store.options.maxBytes;
    if (filename === null) this.#policy = name === "on-conflict" ? "" : null;
    else if (filename !== "") await this.#beginFile(filename); // "" means that no file was chosen
  }

  async #beginFile(filename: string): Promise<void> {
    let path = this.#directory;
    try {
      path = pathBelow(path, filename);
      await this.#operations.requireFile(path, { onConflict: this.#wish.policy });
      const part = await this.#operations.begin(path);
      this.#file = { part, path, buffer: this.#bufferOf(part) };
      await this.#operations.checkRoom(part, this.#length);
      this.#length = null; // of the whole form, so it does not apply to further files
    } catch (error) {
      const failure = writeError(error, path, this.#wish.status);
      if (failure.status >= 500) throw failure;
      this.outcomes.addFailure(filename, failure);
    }
  }

  /** One buffer for all files: it is large, and many small files would leave as much garbage. */
  #bufferOf(part: PartFile): WriteBuffer {
    if (this.#buffer) this.#buffer.continueWith(part);
    return this.#buffer ??= new WriteBuffer(part, fileLimit(this.#site.store.options.maxBytes));
  }

  #addPolicy(bytes: Uint8Array): void {
    this.#policy += new TextDecoder().decode(bytes);
    if (this.#policy!.length > MAX_POLICY_BYTES) throw new HttpError(413, 'The field "on-conflict" is too long');
  }

  async #end(): Promise<void> {
    const [policy, file] = [this.#policy, this.#file];
    this.#policy = null;
    // It applies to the files that follow, so it must precede them. Other fields are ignored.
    if (policy !== null && policy !== "") this.#wish = { policy: policyOf(policy), status: 409 };
    if (!file) return;
    await file.buffer.finish();
    await this.#commit(file.part, file.path);
    this.#file = null;
  }

  async #commit(part: PartFile, path: SitePath): Promise<void> {
    try {
      const committed = await this.#operations.commit(part, path, { onConflict: this.#wish.policy });
      countUpload(this.#context, committed);
      this.outcomes.addStored(describeStored(this.#site, this.#context, toldTo(this.#context, committed, path)));
    } catch (error) {
      const failure = writeError(error, path, this.#wish.status);
      if (failure.status >= 500) throw failure;
      this.#file = null;
      await part.discard();
      this.outcomes.addFailure(path.name, failure);
    }
  }
}

/** The path of a file name in a form; an uploaded folder has names with slashes. */
function pathBelow(directory: SitePath, filename: string): SitePath {
  let path: SitePath | null = directory;
  for (const name of filename.split("/")) path = path?.child(name) ?? null;
  if (path) return path;
  throw new HttpError(400, "Cannot use that name: it contains an empty segment, . or .., or a NUL", {
    problem: { name: filename },
  });
}

function answer(request: Request, context: Context, outcomes: Outcomes): Response {
  if (outcomes.isEmpty) throw new HttpError(400, "The form contains no file");
  const failure = outcomes.failure();
  if (failure) throw failure;
  if (wantsPage(request)) {
    const location = locationFor(context, context.target.path, { slash: true });
    return new Response(null, { status: 303, headers: { location, "cache-control": "no-store" } });
  }
  return Response.json(outcomes, { status: 201 });
}
