/** @jsxImportSource preact */
import { render } from "preact";
import { keepJobs } from "./jobs/job_store.ts";
import { Page } from "./page.tsx";
import "./shell/styles.css";
import "./ask/ask.css";
import "./cases/lists.css";

// The page puts the list back where it was by itself.
history.scrollRestoration = "manual";

const root = document.getElementById("page");
if (root !== null) render(<Page />, root);
keepJobs();
