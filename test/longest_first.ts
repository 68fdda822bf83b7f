/**
 * The order of test files where no run before is known: by size, as Vitest has it, but what takes long for its size comes
 * first in its tier. A long file that begins last would leave a core idle.
 */
import { BaseSequencer, type TestSpecification } from "vitest/node";

const LONG = [
  "ifeval",
  "import_kill",
  "grammar",
  "operations_faults",
  "operations_fuzz",
  "real_shapes",
  "cli_plan",
  "wild",
].map((name) => `/test/${name}.test.ts`);

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const projects = [...new Set(sorted.map(({ project }) => project.name))];
    const place = ({ project, moduleId }: TestSpecification): number =>
      2 * projects.indexOf(project.name) + (LONG.some((one) => moduleId.endsWith(one)) ? 0 : 1);
    return sorted.toSorted((a, b) => place(a) - place(b));
  }
}
