# bayes_grpo on a CPU: docker build -t bayes-grpo . && docker run --rm -v "$PWD:/data" bayes-grpo ask trl_output
FROM python:3.13-slim
WORKDIR /opt/bayes_grpo
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY bayes_grpo bayes_grpo
COPY models models
# The versions of the lock, without the packages for development that it has as well.
RUN sed -E '/^[ #]/d; s/ *\\$//' requirements.lock > constraints.txt
RUN pip install --no-cache-dir --constraint constraints.txt .
RUN useradd --create-home user
USER user
WORKDIR /data
ENTRYPOINT ["bayes-grpo"]
