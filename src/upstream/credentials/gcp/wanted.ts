/** The kind of token a Google API is shown. */
export type Wanted =
  | { readonly kind: 'access'; readonly scopes: readonly string[] }
  /** For services behind an identity-aware front: Cloud Run, IAP. */
  | { readonly kind: 'id'; readonly audience: string };

export const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform';
export const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token';
