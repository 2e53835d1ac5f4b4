import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { NewArticle, PublisherRow } from "../library.ts";
import { publishAsMarkdown, tryMarkdown } from "./markdown-file.ts";
import type { Outgoing, OutgoingRequest, Posting } from "./publisher.ts";
import { publishToWordPress, tryWordPress } from "./wordpress.ts";

const never = new AbortController().signal;

interface Post {
  id: number;
  slug: string;
  status: string;
  title: string;
  content: string;
  categories: number[];
  tags: number[];
}

/** WordPress's REST API, as far as its handbook describes what is used. */
async function wordPress(t: TestContext) {
  const posts: Post[] = [];
  const terms: { id: number; name: string; taxonomy: string }[] = [
    { id: 3, name: "Heating", taxonomy: "categories" },
  ];
  let cut = 0;
  const cutNext = () => {
    cut = 1;
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url!, "http://wp");
    const path = url.pathname.replace("/blog/wp-json/wp/v2/", "");
    const say = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const wanted = `Basic ${Buffer.from("editor:abcd efgh").toString("base64")}`;
    if (request.headers.authorization !== wanted)
      return say(401, { code: "incorrect_password", message: "No" });
    if (path === "users/me") return say(200, { name: "Ed", capabilities: { edit_posts: true } });
    const body = chunks.length ? JSON.parse(Buffer.concat(chunks).toString()) : {};
    const shown = (post: Post) => ({
      ...post,
      content: { raw: post.content },
      link: `https://wp.example/${post.slug}/`,
    });
    if (path === "posts" && request.method === "GET") {
      const slugs = url.searchParams.get("slug")!.split(",");
      return say(200, posts.filter((post) => slugs.includes(post.slug)).map(shown));
    }
    if (path === "posts") {
      let slug = body.slug;
      for (let n = 2; posts.some((post) => post.slug === slug); n++) slug = `${body.slug}-${n}`;
      const post = { id: 100 + posts.length, ...body, slug };
      posts.push(post);
      if (cut-- > 0) return void response.destroy();
      return say(201, shown(post));
    }
    const id = /^posts\/(\d+)$/.exec(path)?.[1];
    if (id) {
      const post = posts.find((each) => each.id === Number(id));
      if (!post) return say(404, { code: "rest_post_invalid_id", message: "Invalid post ID." });
      Object.assign(post, body);
      return say(200, shown(post));
    }
    if (request.method === "GET") {
      const search = url.searchParams.get("search")!.toLowerCase();
      return say(
        200,
        terms.filter((term) => term.taxonomy === path && term.name.toLowerCase().includes(search)),
      );
    }
    if (body.name === "raced")
      return say(400, { code: "term_exists", message: "Exists", data: { term_id: 77 } });
    terms.push({ id: 10 + terms.length, name: body.name, taxonomy: path });
    say(201, terms.at(-1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const site_url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/blog/`;
  const settings = {
    site_url,
    user: "editor",
    status: "draft",
    categories: ["heating"],
    keywords_as_tags: true,
  };
  const publisher: PublisherRow = {
    name: "wp",
    kind: "wordpress",
    settings,
    secret: "abcd efgh",
    enabled: true,
  };
  return { posts, terms, publisher, cutNext };
}

const outgoing: Outgoing = {
  get: (url, request) => call(url, { ...request, method: "GET" }),
  post: (url, request) => call(url, { ...request, method: "POST" }),
  sign: () => ({}),
};
async function call(url: string, request: OutgoingRequest & { method: string; body?: string }) {
  const answer = await fetch(url, request);
  return {
    status: answer.status,
    headers: Object.fromEntries(answer.headers),
    body: new Uint8Array(await answer.arrayBuffer()),
  };
}

function aPosting(changes: Partial<Posting> = {}): Posting {
  const article = {
    taskId: "0190d7e0-0000-7000-8000-000000000001",
    title: 'Warm: "no" boiler',
    summary: "S.",
    html: "<p>Text</p>",
    markdown: "# Warm\n\nText\n",
    language: "en",
    author: null,
    contentType: "how_to",
    keywords: ["heat pump", "raced"],
    generator: "g",
    quality: { score: 80 },
    jsonLd: { description: "---\nnot: front matter" },
  } as unknown as NewArticle;
  const at = Date.UTC(2026, 10, 25);
  return {
    article,
    slug: "warm",
    articleUrl: "/articles/warm",
    publishedAt: at,
    updatedAt: at,
    known: null,
    ...changes,
  };
}

test("an article becomes a WordPress draft with its category and tags", async (t) => {
  const { posts, terms, publisher } = await wordPress(t);
  const placed = await publishToWordPress(publisher, aPosting(), { outgoing }, never);
  assert.deepEqual(placed, { externalId: "100", url: "https://wp.example/warm/" });
  const [post] = posts;
  assert.deepEqual([post!.status, post!.categories, post!.tags], ["draft", [3], [11, 77]]);
  assert.equal(terms.find((term) => term.name === "heat pump")!.taxonomy, "tags");
  assert.match(await tryWordPress(publisher, { outgoing }, never), /knows Ed, who may edit_posts/);
});

test("a post whose answer was lost is found again, not posted twice", async (t) => {
  const { posts, publisher, cutNext } = await wordPress(t);
  cutNext();
  await assert.rejects(publishToWordPress(publisher, aPosting(), { outgoing }, never));
  posts[0]!.status = "publish";
  const placed = await publishToWordPress(publisher, aPosting(), { outgoing }, never);
  assert.deepEqual([placed.externalId, posts.length, posts[0]!.status], ["100", 1, "publish"]);
});

test("a post of somebody else's with the same slug is left alone", async (t) => {
  const { posts, publisher } = await wordPress(t);
  posts.push({
    id: 5,
    slug: "warm",
    status: "publish",
    title: "Theirs",
    content: "",
    categories: [],
    tags: [],
  });
  for (let i = 0; i < 2; i++) {
    const placed = await publishToWordPress(publisher, aPosting(), { outgoing }, never);
    assert.equal(placed.url, "https://wp.example/warm-2/");
  }
  assert.deepEqual([posts.length, posts[0]!.title], [2, "Theirs"]);
});

test("a post that was deleted over there is posted again; a wrong password is named without itself", async (t) => {
  const { posts, publisher } = await wordPress(t);
  const known = { publisher: "wp", externalId: "42", url: null };
  await publishToWordPress(publisher, aPosting({ known }), { outgoing }, never);
  assert.equal(posts.length, 1);
  const wrong = { ...publisher, secret: "wrong-secret" };
  await assert.rejects(publishToWordPress(wrong, aPosting(), { outgoing }, never), (error: Error) => {
    assert.match(error.message, /HTTP 401 \(incorrect_password: No\)/);
    assert.doesNotMatch(error.message, /wrong-secret/);
    return true;
  });
});

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "articles-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}
const markdown = (given: string): PublisherRow => ({
  ...{ name: "files", kind: "markdown", settings: { folder: given }, secret: null, enabled: true },
});

test("a Markdown file has its front matter, is replaced whole, and nothing else is left", async (t) => {
  const base = await folder(t);
  const publisher = markdown("blog/posts");
  for (let i = 0; i < 2; i++) await publishAsMarkdown(publisher, aPosting(), { folder: base }, never);
  assert.deepEqual(await readdir(join(base, "blog/posts")), ["warm.md"]);
  const text = await readFile(join(base, "blog/posts/warm.md"), "utf8");
  assert.match(text, /^---\ntitle: "Warm: \\"no\\" boiler"\ndescription: "---\\nnot: front matter"\n/);
  assert.match(text, /\n---\n\nText\n$/);
  assert.match(await tryMarkdown(publisher, { folder: base }), /blog\/posts can be written to/);
});

test("nothing is written outside of the articles' folder", async (t) => {
  const base = await folder(t);
  const outside = await folder(t);
  await symlink(outside, join(base, "link"));
  for (const given of ["../up", "/etc", "a/../..", "link", "link/deeper", ".."]) {
    await assert.rejects(
      publishAsMarkdown(markdown(given), aPosting(), { folder: base }, never),
      /folder/,
      given,
    );
  }
  await assert.rejects(
    publishAsMarkdown(markdown(""), aPosting({ slug: "../../x" }), { folder: base }, never),
    /cannot be a file's name/,
  );
  assert.deepEqual(await readdir(base), ["link"]);
});
