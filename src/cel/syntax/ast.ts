/** The syntax tree of an expression. `at`: offset of the token that a message about the node points at, UTF-16 units. */
export type Expr =
  | { readonly kind: 'literal'; readonly value: Literal; readonly at: number }
  /** `absolute`: written with a leading dot, so that neither container nor local variables count. */
  | { readonly kind: 'name'; readonly name: string; readonly absolute: boolean; readonly at: number }
  | {
      readonly kind: 'select';
      readonly operand: Expr;
      readonly field: string;
      readonly optional: boolean;
      readonly at: number;
    }
  | {
      readonly kind: 'index';
      readonly operand: Expr;
      readonly index: Expr;
      readonly optional: boolean;
      readonly at: number;
    }
  | {
      readonly kind: 'call';
      readonly name: string;
      /** Null for a global call. */
      readonly target: Expr | null;
      readonly args: readonly Expr[];
      /** Written with a leading dot. */
      readonly absolute: boolean;
      readonly at: number;
    }
  | { readonly kind: 'unary'; readonly operator: '!' | '-'; readonly operand: Expr; readonly at: number }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expr;
      readonly right: Expr;
      readonly at: number;
    }
  /** `a && b && c` is one node of three operands. */
  | { readonly kind: 'logic'; readonly operator: '&&' | '||'; readonly operands: readonly Expr[]; readonly at: number }
  | {
      readonly kind: 'conditional';
      readonly test: Expr;
      readonly then: Expr;
      readonly otherwise: Expr;
      readonly at: number;
    }
  | { readonly kind: 'list'; readonly items: readonly { value: Expr; optional: boolean }[]; readonly at: number }
  | {
      readonly kind: 'map';
      readonly entries: readonly { key: Expr; value: Expr; optional: boolean }[];
      readonly at: number;
    };

export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in';

/** An unsigned literal is told from a signed one by its wrapper. */
export type Literal = null | boolean | bigint | number | string | Uint8Array | { readonly unsigned: bigint };
