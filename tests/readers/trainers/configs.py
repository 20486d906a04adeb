"""A config of each trainer, and the hyperparameters that it states."""

CONFIGS = {
    "verl": (
        {
            "actor_rollout_ref": {
                "rollout": {"n": 8},
                "actor": {"ppo_mini_batch_size": 32, "ppo_epochs": 2, "optim": {"betas": [0.9, 0.99]}},
            },
            "data": {"train_batch_size": 128},
            "trainer": {"total_training_steps": 100},
        },
        {"group_size": 8, "prompts_per_step": 32, "refresh_interval": 8, "momentum": 0.9, "planned_steps": 800},
        {"critic/rewards/mean": "REWARD", "actor/lr": "RATE"},
    ),
    "OpenRLHF": (
        {
            "n_samples_per_prompt": 8,
            "rollout_batch_size": 64,
            "train_batch_size": 256,
            "max_epochs": 1,
            "adam_betas": [0.9, 0.95],
        },
        {"group_size": 8, "prompts_per_step": 32, "refresh_interval": 2, "momentum": 0.9},
        {"train/reward": "REWARD", "train/actor_lr": "RATE", "train/group_reward_std": 0.2},
    ),
    "NeMo-RL": (
        {
            "grpo": {"num_generations_per_prompt": 16, "num_prompts_per_step": 32, "max_num_steps": 100},
            "policy": {"train_global_batch_size": 512, "optimizer": {"kwargs": {"betas": "[0.9, 0.999]"}}},
        },
        {"group_size": 16, "prompts_per_step": 32, "refresh_interval": 1, "momentum": 0.9, "planned_steps": 100},
        {"train/reward": "REWARD", "train/approx_entropy": 0.5},
    ),
    "open-instruct": (
        {
            "num_samples_per_prompt_rollout": 16,
            "num_unique_prompts_rollout": 32,
            "num_mini_batches": 2,
            "num_epochs": 1,
        },
        {"group_size": 16, "prompts_per_step": 16, "refresh_interval": 2},
        {"scores": "REWARD", "policy/entropy_avg": 0.5},
    ),
    "prime-rl": (
        {"orchestrator": {"batch_size": 512, "rollouts_per_example": 16}, "max_steps": 100},
        {"group_size": 16, "prompts_per_step": 32, "planned_steps": 100},
        {"train/agg/effective/agent/reward/mean": "REWARD", "entropy/all/mean": 0.5},
    ),
    "ms-swift": (
        {
            "num_generations": 8,
            "gradient_accumulation_steps": 4,
            "steps_per_generation": 4,
            "generation_batch_size": 64,
            "num_iterations": 2,
            "adam_beta1": 0.9,
            "max_steps": -1,
        },
        {"group_size": 8, "prompts_per_step": 8, "refresh_interval": 2, "momentum": 0.9},
        {"reward": "REWARD", "train_speed(s/it)": 3.0},
    ),
    "slime": (
        {
            "n_samples_per_prompt": 8,
            "rollout_batch_size": 32,
            "num_steps_per_rollout": 4,
            "adam_beta1": 0.9,
            "num_rollout": 100,
        },
        {"group_size": 8, "prompts_per_step": 8, "refresh_interval": 4, "momentum": 0.9, "planned_steps": 400},
        {"rollout/raw_reward": "REWARD", "train/lr-pg_0": 1e-6},
    ),
    "AReaL": (
        {
            "gconfig": {"n_samples": 4},
            "train_dataset": {"batch_size": 64},
            "actor": {"ppo_n_minibatches": 4, "optimizer": {"beta1": 0.9}},
        },
        {"group_size": 4, "prompts_per_step": 16, "refresh_interval": 4, "momentum": 0.9},
        {"ppo_actor/task_reward/avg": "REWARD"},
    ),
    "ROLL": (
        {"num_return_sequences_in_group": 8, "rollout_batch_size": 64, "ppo_epochs": 1, "max_steps": 50},
        {"group_size": 8, "prompts_per_step": 64},
        {"critic/score/mean": "REWARD", "system/step": 1},
    ),
    "SkyRL": (
        {
            "generator": {"n_samples_per_prompt": 5},
            "trainer": {
                "train_batch_size": 128,
                "policy_mini_batch_size": 64,
                "update_epochs_per_batch": 1,
                "policy": {"optimizer_config": {"adam_betas": [0.9, 0.999]}},
            },
        },
        {"group_size": 5, "prompts_per_step": 64, "refresh_interval": 2, "momentum": 0.9},
        {"reward/avg_raw_reward": "REWARD"},
    ),
    "rllm": (
        {
            "training": {"group_size": 8},
            "data": {"train_batch_size": 64},
            "actor_rollout_ref": {"actor": {"ppo_mini_batch_size": 32, "ppo_epochs": 1}},
        },
        {"group_size": 8, "prompts_per_step": 32, "refresh_interval": 2},
        {"reward/solver/mean": "REWARD", "batch/solver/fractions/effective": 0.4},
    ),
    "EasyR1": (
        {
            "worker": {
                "rollout": {"n": 5},
                "actor": {"global_batch_size": 128, "ppo_epochs": 1, "optim": {"betas": [0.9, 0.99]}},
            },
            "data": {"rollout_batch_size": 512},
            "trainer": {"max_steps": 100},
        },
        {"group_size": 5, "prompts_per_step": 128, "refresh_interval": 4, "momentum": 0.9, "planned_steps": 400},
        {"critic/score/mean": "REWARD", "reward/overall": 0.4},
    ),
    "torchforge": (
        {"group_size": 8, "local_batch_size": 16, "off_by_n": 1},
        {"group_size": 8, "prompts_per_step": 16},
        {"reward/evaluate_response/avg_total_reward": "REWARD"},
    ),
}
