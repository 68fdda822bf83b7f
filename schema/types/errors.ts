/** Errors that people cause and can mend, as GraphQL shows them. */
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";

builder.objectType(InputError, {
  name: "InputError",
  description: "Bad input: what is wrong, where, and how to mend it.",
  fields: (t) => ({
    message: t.exposeString("message", { description: "All three in one line.", nullable: false }),
    what: t.exposeString("what", { description: "What is wrong, and with which value.", nullable: false }),
    where: t.exposeString("where", {
      description: "Where: a file, `file:line`, an argument or a field.",
      nullable: false,
    }),
    mend: t.exposeString("mend", { description: "How to mend it.", nullable: false }),
  }),
});
