/** Server-sent events as text/event-stream carries them (HTML standard, section 9.2). */

export interface ServerEvent {
  readonly type: string;
  readonly data: string;
}

/** Returns a function that takes the stream chunk by chunk and gives back the events that are complete. */
export function eventParser(): (chunk: string) => readonly ServerEvent[] {
  let rest = "";
  let type = "";
  let data: string[] = [];
  let blank = true;
  return (chunk) => {
    const events: ServerEvent[] = [];
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (!blank) events.push({ type: type === "" ? "message" : type, data: data.join("\n") });
        [type, data, blank] = ["", [], true];
        continue;
      }
      const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (field === "event") type = value;
      if (field === "data") data.push(value);
      if (field === "event" || field === "data") blank = false;
    }
    return events;
  };
}
