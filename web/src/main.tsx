/** @jsxImportSource preact */
import { render } from "preact";
import { keepJobs } from "./job_store.ts";
import { Page } from "./page.tsx";
import "./styles.css";
import "./lists.css";

// The page puts the list back where it was by itself.
history.scrollRestoration = "manual";

const root = document.getElementById("page");
if (root !== null) render(<Page />, root);
keepJobs();
