/** @jsxImportSource preact */
import { render } from "preact";
import { keepJobs } from "./job_store.ts";
import { Page } from "./page.tsx";
import "./styles.css";

const root = document.getElementById("page");
if (root !== null) render(<Page />, root);
keepJobs();
