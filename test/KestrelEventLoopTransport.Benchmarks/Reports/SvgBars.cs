using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using KestrelEventLoopTransport.Benchmarks.Driver;

namespace KestrelEventLoopTransport.Benchmarks.Reports;

// Bars of CPU per operation, one picture per workload, by gnuplot.
internal static class SvgBars
{
    public static async Task<IReadOnlyList<string>> DrawAsync(
        IEnumerable<WorkloadResult> results,
        string directory,
        CancellationToken cancellationToken)
    {
        var pictures = new List<string>();
        foreach (var result in results.Where(row => row.Saturated.Results.Any(candidate => candidate.Failure is null)))
        {
            var path = Path.Combine(directory, result.Workload.Name + ".svg");
            if (!await RunGnuplotAsync(Script(result, path), cancellationToken))
            {
                Console.WriteLine("gnuplot is missing: no pictures");
                break;
            }

            pictures.Add(path);
        }

        return pictures;
    }

    private static string Script(WorkloadResult result, string path)
    {
        var script = new StringBuilder();
        script.AppendLine(
            $"""
            set terminal svg size 760,360 font 'sans-serif,13' background 'white'
            set output '{path}'
            set title '{result.Workload.Title}: µs of server CPU per {result.Workload.Unit} (median, range)' noenhanced
            set style fill solid 0.85 noborder
            set boxwidth 0.6
            set yrange [0:*]
            set offsets 0.2, 0.2, graph 0.1, 0
            set grid ytics lc rgb '#dddddd'
            set border 3
            set tics nomirror
            set xtics noenhanced
            unset key
            $bars << END
            """);
        foreach (var candidate in result.Saturated.Results.Where(candidate => candidate.Failure is null))
        {
            script.AppendLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{candidate.Candidate.Name} {candidate.Median(w => w.Cpu)} {candidate.Windows.Min(w => w.Cpu)} "
                    + $"{candidate.Windows.Max(w => w.Cpu)} {Colour(candidate.Candidate)}"));
        }

        script.AppendLine(
            """
            END
            plot $bars using 0:2:5:xtic(1) with boxes lc rgb variable, \
                 '' using 0:3:(0):($4-$3) with vectors nohead lw 1.5 lc rgb '#333333', \
                 '' using ($0+0.04):4:(sprintf('%.2f', $2)) with labels left offset 0,0.5
            """);
        return script.ToString();
    }

    // Stock grey, ours green, the floor pale.
    private static int Colour(Candidate candidate) => candidate switch
    {
        { IsFloor: true } => 0xC8C8B4,
        { IsStock: true } => 0x7F8C9B,
        _ => 0x2E8B57,
    };

    private static async Task<bool> RunGnuplotAsync(string script, CancellationToken cancellationToken)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("gnuplot") { RedirectStandardInput = true })!;
            await process.StandardInput.WriteAsync(script.AsMemory(), cancellationToken);
            process.StandardInput.Close();
            await process.WaitForExitAsync(cancellationToken);
            return process.ExitCode == 0
                ? true
                : throw new BenchmarkFailedException($"gnuplot ended with exit code {process.ExitCode}");
        }
        catch (Win32Exception)
        {
            return false;
        }
    }
}
