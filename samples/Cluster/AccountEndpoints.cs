using System.Diagnostics;

namespace Cluster;

/// <summary>Accounts over HTTP.</summary>
internal static class AccountEndpoints
{
    // Long enough for the others to notice that a silo has died, and shorter than HAProxy waits.
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(40);
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(100);

    public static void MapAccounts(this WebApplication app, string server)
    {
        app.MapGet("/accounts/{id}", (string id, IGrainFactory grains, HttpContext context)
            => AnswerAsync(id, grains, context, server, static account => account.GetBalanceAsync()));

        app.MapPost("/accounts/{id}/deposit", (string id, long amount, IGrainFactory grains, HttpContext context) =>
        {
            var key = context.Request.Headers["Idempotency-Key"].ToString();
            return amount <= 0 || key.Length is 0 or > 100
                ? Task.FromResult(Results.BadRequest("A deposit has an amount above 0 and an Idempotency-Key.\n"))
                : AnswerAsync(id, grains, context, server, account => account.DepositAsync(amount, key));
        });
    }

    /// <summary>
    /// Calls an account until it answers. Any call may be repeated: a deposit counts once. A call fails when the silo
    /// of its account ends or dies. The next one finds the account on another silo.
    /// </summary>
    private static async Task<IResult> AnswerAsync(
        string id, IGrainFactory grains, HttpContext context, string server, Func<IAccountGrain, Task<long>> call)
    {
        var started = Stopwatch.GetTimestamp();
        var client = $"{context.Connection.RemoteIpAddress}";
        while (true)
        {
            try
            {
                var balance = await call(grains.GetGrain<IAccountGrain>(id));
                return Results.Ok(new AccountAnswer(id, balance, server, client));
            }
            catch (Exception) when (Stopwatch.GetElapsedTime(started) < _patience)
            {
                await Task.Delay(_pause, context.RequestAborted);
            }
            catch (Exception exception)
            {
                context.Response.Headers.RetryAfter = "1";
                return Results.Text($"{exception.Message}\n", statusCode: StatusCodes.Status503ServiceUnavailable);
            }
        }
    }
}
