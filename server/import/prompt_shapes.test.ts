import { expect, test } from "vitest";
import { readPrompt, readRequest, wrongShapeAt } from "./prompt_shapes.ts";
import { readReply } from "./reply_shapes.ts";

const wrong = wrongShapeAt("log.jsonl:3");
const request = (body: Record<string, unknown>) => readRequest(body, wrong, "request");
const ls = { type: "function", function: { name: "exec", arguments: { command: "ls" } } };
const declared = { name: "exec", description: "runs", parameters: { type: "object" } };

test("text is a user's, JSON of messages in it is a chat, alone or in a list of one", () => {
  const chat = [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }];
  expect(readPrompt("[{not JSON", "log", "prompt")).toEqual({ kind: "user", text: "[{not JSON" });
  expect(readPrompt("Hi", "log", "prompt")).toEqual({ kind: "user", text: "Hi" });
  const same = { kind: "chat", messages: chat };
  expect(readPrompt(chat, "log", "prompt")).toEqual(same);
  expect(readPrompt(JSON.stringify(chat, null, 2), "log", "prompt")).toEqual(same);
  expect(readPrompt([JSON.stringify(chat)], "log", "prompt")).toEqual(same);
  expect(readPrompt({ messages: chat }, "log", "prompt")).toEqual(same);
});

test("the request bodies of four interfaces are the same chat with the same tools", () => {
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "List files." },
    { role: "assistant", content: "Looking.", tool_calls: [{ id: "t1", ...ls }] },
    { role: "tool", tool_call_id: "t1", content: "a.txt" },
    { role: "user", content: "And?" },
  ];
  const tools = [{ type: "function", function: declared }];
  const text = JSON.stringify({ command: "ls" });
  const openAiCall = { id: "t1", type: "function", function: { name: "exec", arguments: text } };
  expect(request({
    messages: messages.map((one) => one.tool_calls ? { ...one, tool_calls: [openAiCall] } : one),
    tools,
  })).toEqual({ messages, tools });
  expect(request({
    instructions: "Be brief.",
    input: [
      { role: "user", content: [{ type: "input_text", text: "List files." }] },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "Looking." }] },
      { type: "function_call", call_id: "t1", name: "exec", arguments: text },
      { type: "function_call_output", call_id: "t1", output: "a.txt" },
      { role: "user", content: "And?" },
    ],
    tools: [{ type: "function", ...declared }],
  })).toEqual({ messages, tools });
  expect(request({
    system: [{ type: "text", text: "Be brief." }],
    messages: [
      { role: "user", content: "List files." },
      {
        role: "assistant",
        content: [{ type: "text", text: "Looking." }, {
          type: "tool_use",
          id: "t1",
          name: "exec",
          input: { command: "ls" },
        }],
      },
      {
        role: "user",
        content: [{ type: "tool_result", tool_use_id: "t1", content: [{ type: "text", text: "a.txt" }] }, {
          type: "text",
          text: "And?",
        }],
      },
    ],
    tools: [{ name: "exec", description: "runs", input_schema: { type: "object" } }],
  })).toEqual({ messages, tools });
  expect(request({
    systemInstruction: { parts: [{ text: "Be brief." }] },
    contents: [
      { role: "user", parts: [{ text: "List files." }] },
      {
        role: "model",
        parts: [{ text: "Looking." }, { functionCall: { id: "t1", name: "exec", args: { command: "ls" } } }],
      },
      { role: "user", parts: [{ functionResponse: { id: "t1", name: "exec", response: "a.txt" } }, { text: "And?" }] },
    ],
    tools: [{ functionDeclarations: [declared] }],
  })).toEqual({
    messages: messages.map((one) => one.role === "tool" ? { ...one, name: "exec" } : one),
    tools,
  });
});

test.each<[string, () => unknown, RegExp]>([
  [
    "an image",
    () => readPrompt([{ role: "user", content: [{ type: "image_url" }] }], "log.jsonl:3", "prompt"),
    /^log\.jsonl:3: prompt\[0\]\.content\[0\]: a part of type "image_url" is no text; give text, messages/,
  ],
  [
    "a list of texts",
    () => readPrompt(["a"], "log.jsonl:3", "arguments.gen_args_0.arg_0"),
    /arguments\.gen_args_0\.arg_0: a list with one text that holds no messages/,
  ],
  ["a number", () => readPrompt(5, "log.jsonl:3", "prompt"), /prompt: a number where a prompt belongs/],
  [
    "a body of no interface",
    () => request({ prompt: "x" }),
    /request: it holds neither messages, nor input, nor contents/,
  ],
  [
    "an unknown item",
    () => request({ input: [{ type: "computer_call" }] }),
    /request\.input\[0\]: it has no role, and its type is "computer_call"/,
  ],
  [
    "data of a file",
    () => request({ contents: [{ parts: [{ inlineData: {} }] }] }),
    /request\.contents\[0\]\.parts\[0\]: it is no text: inlineData/,
  ],
  [
    "a response of no interface",
    () => readReply('{"answer": 1}', wrong, "raw_response"),
    /raw_response: the response holds neither choices/,
  ],
  [
    "a response that is no JSON",
    () => readReply("<html>", wrong, "raw_response"),
    /raw_response: the response is neither JSON nor server-sent events/,
  ],
])("%s is an error with its place", (_name, read, message) => {
  expect(read).toThrow(message);
});

const events = (...data: readonly object[]) =>
  data.map((one) => `data: ${JSON.stringify(one)}\n\n`).join("") + "data: [DONE]\n";
const says = { role: "assistant", content: "Hi there" };
const calls = { role: "assistant", content: "", tool_calls: [{ id: "t1", ...ls }] };
const args = JSON.stringify({ command: "ls" });

test.each<[string, string, object]>([
  [
    "Anthropic, streamed",
    events(
      { type: "message_start", message: {} },
      { type: "content_block_start", index: 0, content_block: { type: "tool_use", id: "t1", name: "exec" } },
      { type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json: args } },
    ),
    calls,
  ],
  ["Anthropic", JSON.stringify({ content: [{ type: "text", text: "Hi there" }] }), says],
  [
    "OpenAI's chat, streamed",
    events({ choices: [{ delta: { content: "Hi " } }] }, { choices: [{ delta: { content: "there" } }] }),
    says,
  ],
  [
    "OpenAI's chat",
    JSON.stringify({
      choices: [{
        message: {
          content: null,
          tool_calls: [{ id: "t1", type: "function", function: { name: "exec", arguments: args } }],
        },
      }],
    }),
    calls,
  ],
  [
    "OpenAI's Responses, streamed",
    events(
      {
        type: "response.output_item.added",
        item: { type: "function_call", call_id: "t1", name: "exec", arguments: "" },
      },
      {
        type: "response.completed",
        response: { output: [{ type: "function_call", call_id: "t1", name: "exec", arguments: args }] },
      },
    ),
    calls,
  ],
  [
    "OpenAI's Responses, broken off",
    events(
      { type: "response.output_text.delta", delta: "Hi " },
      { type: "response.output_text.delta", delta: "there" },
    ),
    says,
  ],
  [
    "OpenAI's Responses",
    JSON.stringify({
      output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi there" }] }],
    }),
    says,
  ],
  ["Google", JSON.stringify({ candidates: [{ content: { role: "model", parts: [{ text: "Hi there" }] } }] }), says],
  [
    "Google, streamed",
    events({ candidates: [{ content: { parts: [{ text: "Hi " }] } }] }, {
      candidates: [{ content: { parts: [{ text: "there" }] } }],
    }),
    says,
  ],
  ["a provider's own", JSON.stringify({ completion_message: { content: [{ type: "text", text: "Hi there" }] } }), says],
])("the answer of %s", (_name, body, answer) => {
  expect(readReply(body, wrong, "raw_response")).toEqual(answer);
});

test("an error is no answer, thoughts are kept apart from what is said", () => {
  expect(readReply('{"type": "error", "error": {"type": "rate_limit_error"}}', wrong, "raw_response")).toBeUndefined();
  expect(readReply(
    JSON.stringify({
      output: [
        { type: "reasoning", summary: [{ type: "summary_text", text: "Short." }] },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hi there" }] },
      ],
    }),
    wrong,
    "raw_response",
  )).toEqual({ ...says, reasoning_content: "Short." });
});
