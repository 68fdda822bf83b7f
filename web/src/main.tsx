/** @jsxImportSource preact */
import { render } from "preact";
import { keepJobs } from "./jobs/job_store.ts";
import { Page } from "./page.tsx";
import "./shell/styles.css";
import "./jobs/jobs.css";
import "./heat/heat.css";
import "./graph/graph.css";
import "./masking/masking.css";
import "./cases/cases.css";
import "./cases/lists.css";
import "./case/case.css";
import "./studies/studies.css";
import "./run/run.css";
import "./trace/trace.css";
import "./ask/ask.css";
import "./glossary/glossary.css";

// The page puts the list back where it was by itself.
history.scrollRestoration = "manual";

const root = document.getElementById("page");
if (root !== null) render(<Page />, root);
keepJobs();
