import { type Document, isAlias, isCollection, isNode, isPair, type Node, parseDocument, type YAMLError } from 'yaml';

/** Something wrong with the text as YAML; the offset refers to the text that was parsed. */
export interface YamlFault {
  offset: number;
  message: string;
  hint?: string;
}

export interface ParsedYaml {
  document: Document;
  /** Plain JavaScript; `{}` for an empty file. */
  value: Record<string, unknown>;
  faults: YamlFault[];
}

/** However often anchors repeat, a document may not unfold to more nodes than this, or than it has characters. */
const MAX_NODES = 1_000_000;

/**
 * Parses one YAML 1.2 document (JSON included) whose root is a mapping. Anchors, aliases and merge keys are resolved,
 * duplicate keys are faults, and aliases that unfold without bound are refused before they are resolved.
 */
export function parseYaml(text: string): ParsedYaml {
  const document = parseDocument(text, { merge: true, uniqueKeys: true, prettyErrors: false, logLevel: 'error' });
  const failed = (faults: YamlFault[]): ParsedYaml => ({ document, value: {}, faults });
  if (document.errors.length > 0) return failed(document.errors.map(describe));

  const root: unknown = document.contents;
  if (root === null) return failed([]);
  if (text.includes('*')) {
    const bomb = unfoldFault(document, Math.max(MAX_NODES, text.length));
    if (bomb !== undefined) return failed([bomb]);
  }
  const value: unknown = document.toJS({ maxAliasCount: -1 });
  if (value === null || value === undefined) return failed([]);
  if (typeof value !== 'object' || Array.isArray(value)) {
    return failed([
      { offset: 0, message: 'a configuration is a mapping of sections (config, gateways, routes, llm, …)' },
    ]);
  }
  return { document, value: value as Record<string, unknown>, faults: [] };
}

function describe(error: YAMLError): YamlFault {
  const offset = error.pos[0];
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return { offset, message: 'this key stands twice in one mapping', hint: 'remove one of them' };
    case 'MULTIPLE_DOCS':
      return { offset, message: 'a configuration is one YAML document', hint: 'remove the "---" line' };
    case 'TAB_AS_INDENT':
      return { offset, message: 'a tab is no indentation in YAML', hint: 'indent with spaces' };
    default:
      return { offset, message: `not valid YAML: ${firstLine(error.message)}` };
  }
}

function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end === -1 ? text : text.slice(0, end);
}

/** Counts the nodes that the document has once aliases are replaced by what they stand for. */
function unfoldFault(document: Document, limit: number): YamlFault | undefined {
  const sizes = new Map<Node, number>();
  const open = new Set<Node>();
  const sources = new Map<string, Node>();
  let fault: YamlFault | undefined;

  const sizeOf = (node: unknown): number => {
    if (fault !== undefined) return 0;
    if (isPair(node)) return sizeOf(node.key) + sizeOf(node.value);
    if (!isNode(node)) return 1;
    if (isAlias(node)) {
      // An alias means the nearest anchor of its name before it; nodes are visited in that order.
      const source = sources.get(node.source);
      if (source === undefined) return 1;
      if (open.has(source)) {
        fault = { offset: node.range?.[0] ?? 0, message: `the alias *${node.source} stands inside what it refers to` };
        return 0;
      }
      return sizes.get(source) ?? 1;
    }
    if (node.anchor !== undefined) sources.set(node.anchor, node);
    if (!isCollection(node)) return 1;
    open.add(node);
    let total = 1;
    for (const item of node.items) {
      total += sizeOf(item);
      if (total > limit) {
        fault ??= {
          offset: node.range?.[0] ?? 0,
          message: `aliases unfold to more than ${limit} values here`,
          hint: 'repeat less by alias',
        };
        return 0;
      }
    }
    open.delete(node);
    sizes.set(node, total);
    return total;
  };
  sizeOf(document.contents);
  return fault;
}
