/**
 * How each argument of the benchmark's tools is compared, from Agents Research Environments
 * (gaia2_core/judge/config.py, PER_TOOL_ARG_TO_CHECKER_TYPE with its aliases of apps and tools). Arguments that a tool does
 * not list are not compared.
 */

export type ArgumentRule =
  | "equal"
  /** A list whose order does not count, nor how often something stands in it. */
  | "set"
  /** As a set of names, without case, accents and punctuation; whatever it is where none is expected. */
  | "attendees"
  | "time"
  | "phone"
  /** Equal but for white space around it. */
  | "stripped"
  | "path"
  | "paths"
  /** Prose, which the benchmark asks a language model about. */
  | "prose";

type Rules = Readonly<Record<string, ArgumentRule>>;

const TOOLS: Readonly<Record<string, Rules>> = {
  ApartmentListingApp__save_apartment: { apartment_id: "equal" },
  ApartmentListingApp__remove_saved_apartment: { apartment_id: "equal" },
  CalendarApp__add_calendar_event: {
    attendees: "attendees",
    end_datetime: "time",
    start_datetime: "time",
    title: "prose",
    description: "prose",
    location: "prose",
  },
  CalendarApp__delete_calendar_event: { event_id: "equal" },
  ShoppingApp__checkout: { discount_code: "stripped" },
  ShoppingApp__add_to_cart: { item_id: "equal", quantity: "equal" },
  ShoppingApp__remove_from_cart: { item_id: "equal", quantity: "equal" },
  ShoppingApp__cancel_order: { order_id: "equal" },
  ContactsApp__delete_contact: { contact_id: "equal" },
  ContactsApp__add_new_contact: { first_name: "stripped", last_name: "stripped", email: "stripped", phone: "phone" },
  ContactsApp__edit_contact: { contact_id: "equal", updates: "prose" },
  EmailClientApp__reply_to_email: { email_id: "equal", content: "prose", attachment_paths: "paths" },
  EmailClientApp__delete_email: { email_id: "equal" },
  EmailClientApp__send_email: {
    recipients: "set",
    cc: "set",
    attachment_paths: "paths",
    subject: "prose",
    content: "prose",
  },
  EmailClientApp__move_email: { email_id: "equal", source_folder_name: "path", dest_folder_name: "path" },
  EmailClientApp__forward_email: { email_id: "equal", recipients: "set", folder_name: "equal" },
  EmailClientApp__download_attachments: { email_id: "equal", folder_name: "equal", path_to_save: "path" },
  CabApp__order_ride: { start_location: "prose", end_location: "prose", service_type: "equal", ride_time: "time" },
  CabApp__user_cancel_ride: {},
  MessagingApp__create_conversation: { participants: "set" },
  MessagingApp__add_participant_to_conversation: { conversation_id: "equal", participant: "equal" },
  MessagingApp__remove_participant_from_conversation: { conversation_id: "equal", participant: "equal" },
  MessagingApp__send_message: { conversation_id: "equal", content: "prose" },
  MessagingAppV2__send_message: { user_id: "equal", content: "prose", attachment_path: "path" },
  MessagingAppV2__send_message_to_group_conversation: {
    conversation_id: "equal",
    content: "prose",
    attachment_path: "path",
  },
  MessagingAppV2__create_group_conversation: { user_ids: "set", title: "prose" },
  MessagingAppV2__add_participant_to_conversation: { conversation_id: "equal", user_id: "equal" },
  MessagingAppV2__remove_participant_from_conversation: { conversation_id: "equal", user_id: "equal" },
  MessagingAppV2__change_conversation_title: { conversation_id: "equal", title: "prose" },
  SandboxLocalFileSystem__mv: { path1: "path", path2: "path" },
  SandboxLocalFileSystem__open: { path: "path", mode: "equal" },
  SandboxLocalFileSystem__mkdir: { path: "path" },
  SandboxLocalFileSystem__rm: { path: "path", recursive: "equal" },
  SandboxLocalFileSystem__rmdir: { path: "path" },
};

/** Names of apps in the public data set. */
const APPS: Readonly<Record<string, string>> = {
  EmailClientV2: "EmailClientApp",
  Emails: "EmailClientApp",
  RentAFlat: "ApartmentListingApp",
  Contacts: "ContactsApp",
  Chats: "MessagingAppV2",
  Messages: "MessagingAppV2",
  Calendar: "CalendarApp",
  Shopping: "ShoppingApp",
  Cabs: "CabApp",
  Files: "SandboxLocalFileSystem",
};

/** How the arguments of a tool are compared; undefined for a tool that the benchmark does not know. */
export function argumentRules(tool: string): Rules | undefined {
  const [app = "", name = ""] = tool.split("__");
  const known = `${APPS[app] ?? app}__${name}`;
  return Object.hasOwn(TOOLS, known) ? TOOLS[known] : undefined;
}
