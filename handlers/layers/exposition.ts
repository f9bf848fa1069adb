/**
 * The text format of Prometheus, version 0.0.4.
 *
 * @module
 */

/** Values by series: `pyserve_requests_total{method="GET",status="2xx"}`. */
export type Samples = Readonly<Record<string, number>>;

/** A metric: what the series of one name have in common. */
interface Family {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
}

/** All metrics, in the order of the text. Names and units follow Prometheus's conventions. */
const FAMILIES: Readonly<Record<string, Family>> = {
  pyserve_requests_total: { type: "counter", help: "Responses, by method and class of status." },
  pyserve_request_duration_seconds: { type: "histogram", help: "Time until the head of a response was ready." },
  pyserve_response_announced_bytes_total: {
    type: "counter",
    help: "Content-Length of responses; what has no length is not included, what was not delivered is.",
  },
  pyserve_cache_hits_total: { type: "counter", help: "Responses from the cache in memory." },
  pyserve_uploads_total: { type: "counter", help: "Files stored for clients." },
  pyserve_uploaded_bytes_total: { type: "counter", help: "Size of the files stored for clients." },
  pyserve_cgi_runs_total: { type: "counter", help: "CGI programs started." },
  pyserve_cgi_failures_total: {
    type: "counter",
    help: "CGI programs that could not be started, gave no valid header in time, or exited with an error.",
  },
  pyserve_rejected_logins_total: {
    type: "counter",
    help: "Wrong names, passwords and tokens, and attempts refused because of earlier ones.",
  },
  pyserve_connections: { type: "gauge", help: "Open TCP connections of clients." },
  pyserve_processes: { type: "gauge", help: "Processes that serve." },
  pyserve_build_info: { type: "gauge", help: "Versions; the value is 1." },
  process_cpu_seconds_total: { type: "counter", help: "User and system CPU time, of all processes." },
  process_resident_memory_bytes: { type: "gauge", help: "Resident memory, of all processes." },
  process_open_fds: { type: "gauge", help: "Open file descriptors, of all processes." },
  process_max_fds: { type: "gauge", help: "Maximum number of open file descriptors of one process." },
  process_start_time_seconds: { type: "gauge", help: "Start time, in seconds since 1970." },
};

/** The media type of {@linkcode exposition}. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The text; metrics without a sample are left out. */
export function exposition(samples: Samples): string {
  const lines = Object.entries(FAMILIES).flatMap(([name, { type, help }]) => {
    const series = Object.entries(samples).filter(([series]) => familyOf(series) === name);
    if (series.length === 0) return [];
    const values = series.map(([series, value]) => `${series} ${value}`);
    return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...values];
  });
  return lines.map((line) => `${line}\n`).join("");
}

/** The name of a metric: without labels, and for a histogram without what its series add. */
function familyOf(series: string): string {
  const name = series.replace(/\{.*/s, "");
  const histogram = name.replace(/_(?:bucket|sum|count)$/, "");
  return FAMILIES[histogram]?.type === "histogram" ? histogram : name;
}

/** The sum of the samples of several processes. */
export function sumOf(all: readonly Samples[]): Samples {
  const sum: Record<string, number> = {};
  for (const samples of all) {
    for (const [series, value] of Object.entries(samples)) sum[series] = (sum[series] ?? 0) + value;
  }
  return sum;
}

/** What remains of a process that has ended: its counters, which must not decrease. */
export function countersOf(samples: Samples): Samples {
  return Object.fromEntries(
    Object.entries(samples).filter(([series]) => FAMILIES[familyOf(series)]?.type !== "gauge"),
  );
}

/** A label value between its quotes. */
export function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
