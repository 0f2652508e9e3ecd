using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace KestrelEventLoopTransport.IntegrationTests.Tools;

/// <summary>
/// Clients of the sample Cluster that deposit, each on a connection of its own, and remember every deposit that was
/// answered and every one that was not.
/// </summary>
internal sealed class DepositLoad
{
    private const int Accounts = 50;

    private static readonly IPAddress _address = IPAddress.Parse("127.0.0.77");

    private readonly HttpClient _client;
    private readonly TimeSpan _pause;
    private readonly Task[] _workers;
    private readonly long[] _acknowledged = new long[Accounts];
    private readonly long[] _unknown = new long[Accounts];
    private readonly ConcurrentBag<double> _milliseconds = [];
    private readonly ConcurrentDictionary<string, bool> _servers = [];
    private volatile bool _stops;

    /// <param name="url">Where HAProxy listens.</param>
    /// <param name="workers">How many deposit at once.</param>
    /// <param name="pause">How long each of them waits after an answer.</param>
    public DepositLoad(Uri url, int workers, TimeSpan pause)
    {
        var handler = LoopbackHttpClient.CreateHandler();
        handler.ConnectCallback = ConnectAsync;
        _client = LoopbackHttpClient.Create(handler, url, ClientProtocol.Http1);
        _pause = pause;
        _workers = [.. Enumerable.Range(0, workers).Select(worker => Task.Run(() => DepositAsync(worker)))];
    }

    public int Answered => _milliseconds.Count;

    /// <summary>When a deposit that failed was sent, when it failed, and why.</summary>
    public ConcurrentQueue<(long Started, long Ended, string Reason)> Failures { get; } = [];

    /// <summary>The processes that have answered.</summary>
    public ICollection<string> Servers => _servers.Keys;

    /// <summary>Waits for so many more answers.</summary>
    public async Task UntilMoreAsync(int answers)
    {
        for (var goal = Answered + answers; Answered < goal;)
        {
            Assert.DoesNotContain(_workers, static worker => worker.IsFaulted);
            await Task.Delay(20, HangGuard.Token);
        }
    }

    public async Task StopAsync()
    {
        _stops = true;
        await Task.WhenAll(_workers).WaitAsync(HangGuard.Token);
    }

    /// <summary>
    /// Each account has what was acknowledged, and at most what was sent: a deposit that failed may have been done.
    /// </summary>
    public async Task AssertBalancesAsync()
    {
        for (var account = 0; account < Accounts; account++)
        {
            Assert.InRange(
                await GetBalanceAsync($"{account}"),
                _acknowledged[account],
                _acknowledged[account] + _unknown[account]);
        }
    }

    /// <summary>What the accounts of samples/Cluster/load.lua have in all.</summary>
    public async Task<long> SumOfWrkAsync()
    {
        var sum = 0L;
        for (var account = 0; account < 100; account++)
        {
            sum += await GetBalanceAsync($"wrk-{account}");
        }

        return sum;
    }

    public override string ToString()
    {
        double[] sorted = [.. _milliseconds.Order()];
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{sorted.Length} deposits of {_acknowledged.Sum()} in all, {Failures.Count} failed; "
            + $"milliseconds: p50 {sorted[sorted.Length / 2]:F1}, p99 {sorted[sorted.Length * 99 / 100]:F0}, "
            + $"longest {sorted[^1]:F0}");
    }

    private static async ValueTask<Stream> ConnectAsync(
        SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Bind(new IPEndPoint(_address, 0));
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private async Task<long> GetBalanceAsync(string account)
    {
        using var answer = await _client.GetAsync($"/accounts/{account}", HangGuard.Token);
        return (await ReadAsync(answer)).GetProperty("balance").GetInt64();
    }

    private async Task DepositAsync(int worker)
    {
        var random = new Random(worker);
        for (var i = 0; !_stops; i++)
        {
            var (account, amount) = (random.Next(Accounts), random.Next(1, 10));
            using var request = new HttpRequestMessage(
                HttpMethod.Post, $"/accounts/{account}/deposit?amount={amount}");
            request.Headers.Add("Idempotency-Key", $"{worker}-{i}");
            var started = Stopwatch.GetTimestamp();
            try
            {
                using var answer = await _client.SendAsync(request, HangGuard.Token);
                var json = await ReadAsync(answer);
                Interlocked.Add(ref _acknowledged[account], amount);
                _milliseconds.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
                _servers.TryAdd(json.GetProperty("server").GetString()!, true);
                Assert.Equal($"{_address}", json.GetProperty("client").GetString());
            }
            catch (HttpRequestException exception)
            {
                Interlocked.Add(ref _unknown[account], amount);
                Failures.Enqueue((started, Stopwatch.GetTimestamp(), exception.Message));
            }

            if (_pause > TimeSpan.Zero)
            {
                await Task.Delay(_pause, HangGuard.Token);
            }
        }
    }

    private static async Task<JsonElement> ReadAsync(HttpResponseMessage answer)
    {
        var text = await answer.Content.ReadAsStringAsync(HangGuard.Token);
        return answer.IsSuccessStatusCode
            ? JsonElement.Parse(text)
            : throw new HttpRequestException($"{(int)answer.StatusCode} {text}");
    }
}
