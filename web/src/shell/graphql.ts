/**
 * Documents of the page, typed from the schema by gql.tada: a document that the schema does not have is refused by the
 * type checker, and data and variables have its types. All of that is types: in the page a document is its text.
 */
import type { initGraphQLTada, ResultOf, TadaDocumentNode, VariablesOf } from "gql.tada";
import type { introspection } from "../../../schema/introspection.d.ts";

interface Setup {
  introspection: introspection;
  disableMasking: true;
  scalars: { DateTime: string; File: File };
}
type Api = ReturnType<typeof initGraphQLTada<Setup>>;

/** A document as the page holds it. */
interface Written {
  readonly document: string;
}

/** A document with the types of its data and its variables. */
export type Operation<Data, Variables> = TadaDocumentNode<Data, Variables, unknown>;
/** What an operation answers. */
export type DataOf<Kind> = Readonly<ResultOf<Kind>>;
/** What an operation is asked with. */
export type { VariablesOf };
/** The values of an enum, or the fields of an input, of the schema. */
export type Named<Name extends Parameters<Api["scalar"]>[0]> = ReturnType<typeof graphql.scalar<Name>>;

/** Variables need not be ours to change. */
export type Given<Value> = Value extends File ? Value
  : Value extends readonly (infer Item)[] ? readonly Given<Item>[]
  : Value extends object ? { readonly [Key in keyof Value]: Given<Value[Key]> }
  : Value;

const write = (text: string, fragments: readonly Written[] = []): Written => ({
  document: [text, ...fragments.map(({ document }) => document)].join("\n"),
});

/** A document by its text and the fragments that it names. */
export const graphql = write as unknown as Api;

export function textOf(operation: unknown): string {
  return (operation as Written).document;
}

/** Whether a text is a part of documents, and none by itself. */
export const isFragment = (text: string): boolean => /^\s*fragment\b/.test(text);

/** What came back for an id, if it is of the type that was asked for. */
export function ofType<Node extends { readonly __typename: string }, Name extends Node["__typename"]>(
  node: Node | null,
  name: Name,
): Extract<Node, { readonly __typename: Name }> | undefined {
  return node?.__typename === name ? node as Extract<Node, { readonly __typename: Name }> : undefined;
}
