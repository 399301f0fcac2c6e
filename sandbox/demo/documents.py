"""What the people of the story say to the API."""

_SESSION = "session { accessToken user { id } } userErrors { message }"
SIGN_UP = f"mutation ($input: SignUpInput!) {{ signUp(input: $input) {{ {_SESSION} }} }}"
SIGN_IN = f"mutation ($input: SignInInput!) {{ signIn(input: $input) {{ {_SESSION} }} }}"

WALLET = "{ wallet { available { amount } held { amount } inEscrow { amount } } }"

CREATE_DEPOSIT = """
mutation ($input: CreateDepositInput!) {
  createDeposit(input: $input) { deposit { id clientSecret } userErrors { message } }
}
"""
DEPOSIT_UPDATED = """
subscription ($id: ID!) { depositUpdated(id: $id) { history { status actor } } }
"""

ESCROW = """
query ($id: ID!) {
  escrow(id: $id) {
    charged { amount } platformFee { amount } serviceFee { amount } moves { net { amount } }
  }
}
"""
_ESCROW_PAYLOAD = "escrow { id history { status actor } } userErrors { message }"
CREATE_ESCROW = (
    f"mutation ($input: CreateEscrowInput!) {{ createEscrow(input: $input) {{ {_ESCROW_PAYLOAD} }} }}"
)
ACCEPT_ESCROW = f"mutation ($input: EscrowInput!) {{ acceptEscrow(input: $input) {{ {_ESCROW_PAYLOAD} }} }}"
RELEASE_ESCROW = (
    f"mutation ($input: ReleaseEscrowInput!) {{ releaseEscrow(input: $input) {{ {_ESCROW_PAYLOAD} }} }}"
)

BLOCKERS = """
query ($amount: MinorUnits!) { wallet { withdrawalBlockers(amount: $amount) { code message } } }
"""
CREATE_CONNECT_ACCOUNT = """
mutation ($input: CreateConnectAccountInput!) {
  createConnectAccount(input: $input) { onboardingLink { url } userErrors { message } }
}
"""
CONNECT_ACCOUNT_UPDATED = "subscription { connectAccountUpdated { status } }"

REQUEST_WITHDRAWAL = """
mutation ($input: RequestWithdrawalInput!) {
  requestWithdrawal(input: $input) {
    withdrawal { id waitingFor { message } }
    userErrors {
      code message
      ... on InsufficientFundsError { available { display } required { display } }
    }
  }
}
"""
APPROVE_WITHDRAWAL = """
mutation ($input: WithdrawalInput!) {
  approveWithdrawal(input: $input) { withdrawal { id } userErrors { message } }
}
"""
WITHDRAWAL_UPDATED = """
subscription ($id: ID!) { withdrawalUpdated(id: $id) { history { status actor } } }
"""
WITHDRAWAL = "query ($id: ID!) { withdrawal(id: $id) { amount { amount } transferId } }"

LEDGER_REPORT = """
{ ledgerReport { ok entries wallets violations { invariant subject expected actual } } }
"""
