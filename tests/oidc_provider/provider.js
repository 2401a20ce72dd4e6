// A certified OIDC provider on loopback, for tests: whoever signs in as NAME is NAME@example.org.
// Usage: node provider.js PORT REDIRECT_URI
import Provider from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;

const provider = new Provider(issuer, {
  clients: [{ client_id: "rigline", client_secret: "test-secret", redirect_uris: [redirectUri] }],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["for tests alone"] },
  pkce: { required: () => false },
  features: { devInteractions: { enabled: true } },
  async findAccount(_, id) {
    const claims = { sub: id, email: `${id}@Example.org`, email_verified: id !== "eve", name: id };
    return { accountId: id, claims: () => claims };
  },
});

provider.listen(Number(port), "localhost");
