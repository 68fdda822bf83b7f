/** The model that a page is about, and whether anything can be computed with it. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";

export interface PageModel {
  readonly name: string;
  /** Where it was added from. */
  readonly directory: string;
  readonly place: {
    readonly isHere: boolean;
    /** What it is fetched by; null where that is not known. */
    readonly hub: string | null;
  };
}

export const PageModelContext = createContext<PageModel | undefined>(undefined);

/** The page's model where its files are nowhere; undefined where they are somewhere, or nobody knows. */
export function useAbsentModel(): PageModel | undefined {
  const model = useContext(PageModelContext);
  return model === undefined || model.place.isHere ? undefined : model;
}

/** How somebody brings the files of a model that no hub has. */
export function bringLine({ name, directory }: PageModel): string {
  return `put its folder (it was ${directory}) into a folder of CULPRIT_MODELS, then run: ` +
    `npx culprit model add FOLDER --name ${/^[\w./-]+$/.test(name) ? name : `'${name}'`}`;
}
