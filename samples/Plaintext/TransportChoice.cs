using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using KestrelEventLoopTransport;

namespace Plaintext;

// What --transport, --scheduling and --loops say; null means the transport's default.
internal sealed record TransportChoice(string Transport, ApplicationScheduling? Scheduling, int? Loops)
{
    public const string EventLoop = "eventloop";
    public const string Sockets = "sockets";
    public const string SocketsInline = "sockets-inline";

    private static readonly string[] _transports = [EventLoop, Sockets, SocketsInline];

    public static bool TryRead(
        IConfiguration configuration,
        [NotNullWhen(true)] out TransportChoice? choice,
        [NotNullWhen(false)] out string? error)
    {
        choice = null;
        error = null;

        var transport = (configuration["transport"] ?? EventLoop).ToLowerInvariant();
        if (!_transports.Contains(transport))
        {
            error = $"--transport {transport}: unknown; use {string.Join(", ", _transports)}.";
            return false;
        }

        ApplicationScheduling? scheduling = null;
        if (configuration["scheduling"] is { } name)
        {
            var names = Enum.GetNames<ApplicationScheduling>();
            if (!names.Contains(name, StringComparer.OrdinalIgnoreCase))
            {
                error = $"--scheduling {name}: unknown; use {string.Join(", ", names)}.";
                return false;
            }

            scheduling = Enum.Parse<ApplicationScheduling>(name, ignoreCase: true);
        }

        int? loops = null;
        if (configuration["loops"] is { } count)
        {
            if (!int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < 1)
            {
                error = $"--loops {count}: use a whole number from 1.";
                return false;
            }

            loops = number;
        }

        if (transport != EventLoop && (scheduling is not null || loops is not null))
        {
            error = $"--scheduling and --loops belong to --transport {EventLoop}.";
            return false;
        }

        choice = new TransportChoice(transport, scheduling, loops);
        return true;
    }

    public override string ToString()
        => Scheduling is null ? Transport : $"{Transport}, {Scheduling}";
}
