"""The networks: a patch transformer that finds joints and parts, and one that finds the front.

Both see a cloud of surface points with normals. Patches around farthest-point centres are encoded
by a small PointNet (Qi et al. 2017) and exchanged by transformer blocks (Vaswani et al. 2017;
Point-BERT, Yu et al. 2022, for patches as tokens). Joints are found by voting: every patch proposes
an offset and a weight for every joint, as in regression forests (Girshick et al. 2011).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rigline.avatar.body import N_PARTS, PARENT

PATCH_SCALE = 8.0
"""Offsets within a patch are multiplied by this, so that they are of the order of one."""

VOTE_REACH = 0.5

JOINT_JITTER = 0.04
"""How far the joints that the parts are told of are thrown off in training, at most (standard
deviation). Joints are found better on characters of the training's kind than on others, and parts
must not learn to trust them more than they will deserve."""

INTERPOLATION_SHARPNESS = 400.0


def gather_points(values: Tensor, index: Tensor) -> Tensor:
    """Rows of values (B, N, C) at index (B, P, K), as (B, P, K, C)."""
    b, p, k = index.shape
    flat = index.reshape(b, p * k, 1).expand(-1, -1, values.shape[-1])
    return torch.gather(values, 1, flat).reshape(b, p, k, values.shape[-1])


def nearest_centres(centre: Tensor, count: int = 12) -> Tensor:
    """Indices (B, P, count) of the points of centre (B, P, 3) nearest to each, itself included."""
    square = (centre * centre).sum(-1)
    apart = square[:, :, None] + square[:, None] - 2 * centre @ centre.transpose(1, 2)
    return apart.topk(count, dim=-1, largest=False).indices


class Block(nn.Module):
    """Pre-norm transformer block over tokens (B, T, d)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.before_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        t, d = x.shape[1], x.shape[2]
        qkv = self.qkv(self.before_attention(x)).reshape(-1, t, 3, self.heads, d // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, T, d / heads)
        attention = torch.softmax(q @ k.transpose(-1, -2) * (d // self.heads) ** -0.5, dim=-1)
        x = x + self.out((attention @ v).permute(0, 2, 1, 3).reshape(-1, t, d))
        return x + self.mlp(self.before_mlp(x))


class EdgeBlock(nn.Module):
    """EdgeConv over each token's nearest neighbours, and the strongest of all tokens.

    After the dynamic graph networks of Wang et al. 2019, with the graph of the patch centres kept
    fixed. The alternative to ``Block``, for comparison (``proxies.py``).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.own, self.other = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width, bias=False)
        self.everywhere = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, near: Tensor) -> Tensor:
        """Tokens x (B, T, d) and the indices near (B, T, k) of their neighbours, to (B, T, d)."""
        seen = self.before(x)
        other = self.other(seen)
        apart = gather_points(other, near) - other[:, :, None]
        own = self.own(seen) + self.everywhere(seen.amax(dim=1, keepdim=True))
        return x + self.out(F.gelu(own[:, :, None] + apart).amax(dim=2))


class PatchEncoder(nn.Module):
    """Patches of (offset, position, normal) to one token each."""

    def __init__(self, width: int, middle: int = 64) -> None:
        super().__init__()
        self.point = nn.Sequential(nn.Linear(9, 48), nn.ReLU(), nn.Linear(48, middle))
        self.own = nn.Linear(middle, 2 * middle)
        self.pooled = nn.Linear(middle, 2 * middle, bias=False)
        self.lift = nn.Linear(2 * middle, width)
        self.place = nn.Sequential(nn.Linear(6, 64), nn.GELU(), nn.Linear(64, width))

    def forward(self, features: Tensor, neighbours: Tensor) -> Tensor:
        """features (B, N, 6), neighbours (B, P, K) -> tokens (B, P, width)."""
        n_patches = neighbours.shape[1]
        around = gather_points(features, neighbours)  # (B, P, K, 6)
        offset = (around[..., :3] - features[:, :n_patches, None, :3]) * PATCH_SCALE
        x = self.point(torch.cat([offset, around], dim=-1))
        x = F.relu(self.own(x) + self.pooled(x.amax(dim=2, keepdim=True)))
        return self.lift(x).amax(dim=2) + self.place(features[:, :n_patches])


class BodyNetwork(nn.Module):
    """Joints and parts of a humanoid in the models' frame.

    ``forward(features (B, N, 6), neighbours (B, P, K), queries (B, Q, 6))`` returns the part logits
    of the queries (B, Q, 15), joints (B, 15, 3), their log scale (B, 15) and the dispersion of the
    votes (B, 15), lengths in shares of height. The first P features are the patch centres.
    """

    def __init__(
        self, width: int = 192, depth: int = 6, heads: int = 6, query: int = 128,
        mixing: str = "attention",
    ) -> None:  # fmt: skip
        super().__init__()
        self.config = dict(width=width, depth=depth, heads=heads, query=query, mixing=mixing)
        self.encoder = PatchEncoder(width)
        attends = mixing == "attention"
        self.registers = nn.Parameter(torch.randn(1, 4 if attends else 0, width) * 0.02)
        self.blocks = nn.ModuleList(
            Block(width, heads) if attends else EdgeBlock(width) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.vote = nn.Linear(width, N_PARTS * 4)
        self.joint_embedding = nn.Parameter(torch.randn(1, N_PARTS, width) * 0.02)
        self.refine = nn.Sequential(nn.Linear(width + 3, width), nn.GELU(), nn.Linear(width, 4))
        self.from_patches = nn.Linear(width, query)
        self.from_query = nn.Linear(6, query)
        self.from_joints = nn.Linear(N_PARTS * 3, query)
        self.from_bones = nn.Linear(2 * N_PARTS - 1, query)
        self.classify = nn.Sequential(
            nn.ReLU(), nn.Linear(query, query), nn.ReLU(), nn.Linear(query, N_PARTS)
        )
        children = [p for p in range(N_PARTS) if PARENT[p] >= 0]
        bones = torch.zeros(len(children), N_PARTS)
        for row, p in enumerate(children):
            bones[row, p], bones[row, PARENT[p]] = 1, -1
        self.register_buffer("bones", bones)
        self.register_buffer("bone_ends", (bones > 0).float())

    def tokens(self, features: Tensor, neighbours: Tensor) -> Tensor:
        """(B, P, width) what the network knows at each patch."""
        x = self.encoder(features, neighbours)
        if self.config["mixing"] == "edges":
            near = nearest_centres(features[:, : x.shape[1], :3])
            for block in self.blocks:
                x = block(x, near)
            return self.norm(x)
        x = torch.cat([self.registers.expand(x.shape[0], -1, -1), x], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, self.registers.shape[1] :]

    def joints(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Joints (B, 15, 3), log scale (B, 15), vote dispersion (B, 15)."""
        n_patches = tokens.shape[1]
        votes = self.vote(tokens).float().reshape(-1, n_patches, N_PARTS, 4)
        weight = torch.softmax(votes[..., 3], dim=1)  # (B, P, 15)
        voted = features[:, :n_patches, None, :3] + votes[..., :3] * VOTE_REACH
        first = (weight[..., None] * voted).sum(dim=1)  # (B, 15, 3)
        spread = (weight[..., None] * (voted - first[:, None]) ** 2).sum(dim=(1, 3))
        about = weight.transpose(1, 2) @ tokens.float() + self.joint_embedding
        refined = self.refine(torch.cat([about, first], dim=-1)).float()
        return first + 0.1 * refined[..., :3], refined[..., 3] - 3.5, (spread + 1e-8).sqrt()

    def parts(self, features: Tensor, tokens: Tensor, joints: Tensor, queries: Tensor) -> Tensor:
        """Part logits (B, Q, 15) at query points, given the joints."""
        centre, x, j = features[:, : tokens.shape[1], :3], queries[..., :3], joints
        apart = (x * x).sum(-1, keepdim=True) - 2 * x @ centre.transpose(1, 2)
        apart = apart + (centre * centre).sum(-1)[:, None]
        share = torch.softmax(-apart * INTERPOLATION_SHARPNESS, dim=-1)  # (B, Q, P)
        bone = self.bones @ j  # (B, 14, 3), parent to child
        unit = bone / (bone.norm(dim=-1, keepdim=True) + 1e-3)
        end = self.bone_ends @ j
        along = x @ unit.transpose(1, 2) - (end * unit).sum(-1)[:, None]  # past the child joint
        to_joint = (x * x).sum(-1, keepdim=True) - 2 * x @ j.transpose(1, 2)
        to_joint = (to_joint + (j * j).sum(-1)[:, None]).clamp_min(1e-6).sqrt()
        geometry = torch.cat([torch.tanh(8 * along), torch.exp(-6 * to_joint)], dim=-1)
        mixed = share @ self.from_patches(tokens) + self.from_query(queries)
        mixed = mixed + self.from_joints(3 * j.flatten(1))[:, None] + self.from_bones(geometry)
        return self.classify(mixed)

    def forward(
        self, features: Tensor, neighbours: Tensor, queries: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        tokens = self.tokens(features, neighbours)
        joints, log_scale, dispersion = self.joints(features, tokens)
        given = joints.detach()
        if self.training:
            spread = JOINT_JITTER * torch.rand_like(given[:, :1, :1])
            given = given + spread * torch.randn_like(given)
        logits = self.parts(features, tokens, given, queries)
        return logits, joints, log_scale, dispersion


class LikenessHead(nn.Module):
    """Whether what the body network saw is one standing humanoid.

    ``forward(tokens (B, P, d), log_scale (B, 15), dispersion (B, 15))`` returns log odds (B, 1).
    """

    def __init__(self, width: int = 192, hidden: int = 64) -> None:
        super().__init__()
        self.config = dict(width=width, hidden=hidden)
        size = 2 * width + 2 * N_PARTS
        self.norm = nn.LayerNorm(size)
        self.judge = nn.Sequential(
            nn.Linear(size, hidden), nn.GELU(), nn.Dropout(0.2), nn.Linear(hidden, 1)
        )

    def forward(self, tokens: Tensor, log_scale: Tensor, dispersion: Tensor) -> Tensor:
        seen = [tokens.mean(dim=1), tokens.amax(dim=1), log_scale, torch.log(dispersion + 1e-4)]
        return self.judge(self.norm(torch.cat(seen, dim=-1)))


class OrientationNetwork(nn.Module):
    """Which of the 24 axis-aligned turns a cloud stands in, and its yaw beyond that.

    ``forward(features (B, N, 6), neighbours (B, P, K))`` returns logits (B, 24) over
    ``rigline.avatar.canonical.TURNS`` and (B, 2): cosine and sine of the remaining yaw.
    """

    def __init__(self, width: int = 96, depth: int = 4, heads: int = 4) -> None:
        super().__init__()
        self.config = dict(width=width, depth=depth, heads=heads)
        self.encoder = PatchEncoder(width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Sequential(nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, 26))

    def forward(self, features: Tensor, neighbours: Tensor) -> tuple[Tensor, Tensor]:
        x = self.encoder(features, neighbours)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        out = self.head(torch.cat([x.mean(dim=1), x.amax(dim=1)], dim=-1))
        return out[:, :24], F.normalize(out[:, 24:], dim=-1)
